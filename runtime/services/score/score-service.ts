import {
  type ChampionNews,
  newsIn,
  newsOf,
  withNews,
} from "../../../processors/scoring/model-news.ts";
import { failuresInARow } from "../../../processors/scoring/model-register.ts";
import {
  rowResultBytes,
  rowStates,
  type ScoreWork,
} from "../../../processors/scoring/score-work.ts";
import { predictionsOf } from "../../../schemas/plan-facts.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Service, ServiceDecision } from "../service.ts";
import { ModelWatch } from "./model-watch.ts";
import { runLimitMs } from "./run-limit.ts";
import { ScoreDeadline } from "./score-deadline.ts";
import { encodeScoreResult, type ScoreResult } from "./scorer.ts";
import { createScoringPool, type ScoringPool } from "./scoring-pool.ts";

/**
 * Scores rows in a pool of threads. In live mode a step's deadline bounds the call, and each row
 * without a score, whether it came too late or the model failed, is a decision.
 */
export const scoring: Service<ScoreWork> = {
  open: ({ plan, artifacts, register, scoringThreads, now, metrics, ...world }) => {
    const { wasLive = false, warn = () => {} } = world;
    const isLive = now !== undefined;
    const { scoringRunMs: runMs = runLimitMs(plan, isLive || wasLive) } = world;
    const hungRuns = metrics?.counter(
      "millrace_scoring_hung_runs_total",
      "Runs of models that were ended, as they took longer than they may.",
    );
    const pool = createScoringPool({
      artifacts,
      // In a replay nobody waits for the first answer of a model, and every row is asked for.
      ...{ warms: isLive, givesUp: isLive, runMs },
      hung: (sha256, reason) => {
        hungRuns?.inc();
        warn("a run of a model was ended", { sha256, reason });
      },
      ...(scoringThreads === undefined ? {} : { threads: scoringThreads }),
    });
    const score = metrics === undefined ? pool.score.bind(pool) : measured(pool, metrics);
    const modelOf = new Map(predictionsOf(plan).map(({ name, model }) => [name, model.name]));
    const watch = new ModelWatch(warn, metrics, [...modelOf.keys()]);
    const tell = async (result: Buffer, step: string, { asksNews, heard }: ScoreWork) => {
      if (!asksNews) return result;
      const named = await register?.answering(modelOf.get(step) ?? "");
      const all = (named ?? []).map((change, index) => newsOf(change, index + 1));
      return withNews(result, all.slice(heard));
    };
    return {
      run: async (work, { name }, signal) => {
        watch.putAside(name, work.putAside);
        if (work.versionOf.length === 0) return await tell(Buffer.alloc(0), name, work);
        for (const sha256 of work.artifacts) if (sha256 !== "") await artifacts.ensure(sha256);
        const result = await score(work, signal);
        if (result.failure !== null) watch.failed(name, work, result);
        return await tell(encodeScoreResult(result), name, work);
      },
      close: () => pool.close(),
    };
  },
  limit: (plan) => {
    const deadlines = new Map(
      predictionsOf(plan).map(({ name, deadlineMs }) => [name, deadlineMs]),
    );
    const deadline = new ScoreDeadline();
    return {
      // Without rows nobody waits: what it asks for is told however long it takes.
      bound: (work, { name }, call) =>
        work.versionOf.length === 0
          ? call(new AbortController().signal)
          : deadline.bound(work, call, deadlines.get(name) ?? Number.POSITIVE_INFINITY),
    };
  },
  settled: (work, given, _now, decide) => {
    const rows = work.sourceOffsets.length;
    const result = decidedNews(work, given, decide);
    for (let row = 0; row < rows; row++) {
      const state = result[stateAt(rows, row)];
      if (state === rowStates.answered) continue;
      decide({
        kind: state === rowStates.late ? "deadline" : "failed",
        input: versionAt(work, row),
        writer: work.sourcePartitions[row] as number,
        position: work.sourceOffsets[row] as number,
      });
    }
    return result;
  },
  repeat: (decisions) => {
    const champions = decisions.flatMap(({ kind, answer }) =>
      kind === "champion" && answer !== null ? [JSON.parse(String(answer)) as ChampionNews] : [],
    );
    const decided = new Map<string, number>();
    for (const { kind, input, writer, position } of decisions) {
      const place = placeOf(writer ?? 0, position, input);
      if (kind === "deadline") decided.set(place, rowStates.late);
      if (kind === "failed") decided.set(place, rowStates.failed);
    }
    return {
      known: (work) => {
        const { asksNews, versionOf } = work;
        const rows = versionOf.length;
        // All of them at once, before the first record: each says after which time it holds.
        if (rows === 0) return asksNews ? withNews(Buffer.alloc(0), champions) : undefined;
        return leftOf(work).length > 0 ? undefined : counted(work, Buffer.alloc(0));
      },
      // A row that its model hung at would hang again.
      left: (work) => {
        const left = leftOf(work);
        return left.length === work.versionOf.length ? work : someOf(work, left);
      },
      settled: counted,
    };

    function counted(work: ScoreWork, result: Buffer): Buffer {
      const rows = work.versionOf.length;
      if (rows === 0) return result;
      const repeated = decided.size === 0 ? result : widened(work, result);
      // In the place of what the register says by now.
      if (!work.asksNews) return repeated;
      return withNews(repeated.subarray(0, rows * rowResultBytes), champions);
    }

    /** Undefined: nothing was decided about a row. Those of earlier releases name no version. */
    function stateOf(work: ScoreWork, row: number): number | undefined {
      const partition = work.sourcePartitions[row] as number;
      const offset = work.sourceOffsets[row] as number;
      return (
        decided.get(placeOf(partition, offset, versionAt(work, row))) ??
        decided.get(placeOf(partition, offset, null))
      );
    }

    /**
     * Rows that nothing was decided about, but for those whose version is put aside by the rows
     * before them: live mode may not have asked for these, and nobody looks at what they get.
     */
    function leftOf(work: ScoreWork): readonly number[] {
      const all = Array.from(work.versionOf, (_, row) => row);
      if (decided.size === 0) return all;
      const mayPutAside = !hasRowsBeside(work);
      const failures = Uint32Array.from(work.versions, (_, at) => work.failures?.[at] ?? 0);
      return all.filter((row) => {
        const version = work.versionOf[row] as number;
        const state = stateOf(work, row);
        const inARow = failures[version] as number;
        if (mayPutAside && inARow >= failuresInARow) return false;
        if (state === rowStates.failed) failures[version] = inARow + 1;
        else if (state === undefined) failures[version] = 0;
        return state === undefined;
      });
    }

    /** With the rows that were decided between those that were left. */
    function widened(work: ScoreWork, result: Buffer): Buffer {
      const rows = work.versionOf.length;
      const left = leftOf(work);
      const whole = Buffer.alloc(rows * rowResultBytes);
      for (let row = 0; row < rows; row++) {
        whole.writeDoubleLE(Number.NaN, row * 8);
        whole[stateAt(rows, row)] = stateOf(work, row) ?? rowStates.failed;
      }
      for (const [from, row] of left.entries()) {
        result.copy(whole, row * 8, from * 8, from * 8 + 8);
        const latencyAt = (left.length + from) * 8;
        result.copy(whole, (rows + row) * 8, latencyAt, latencyAt + 8);
        whole[stateAt(rows, row)] = result[stateAt(left.length, from)] as number;
      }
      return whole;
    }
  },
};

/** Whether records are asked of several versions: one that stands by is told no failures. */
function hasRowsBeside({ sourcePartitions, sourceOffsets }: ScoreWork): boolean {
  return sourceOffsets.some(
    (offset, row) =>
      row > 0 &&
      offset === sourceOffsets[row - 1] &&
      sourcePartitions[row] === sourcePartitions[row - 1],
  );
}

/** Work with some of its rows. */
function someOf(work: ScoreWork, rows: readonly number[]): ScoreWork {
  const { features } = work;
  const values = new Float64Array(rows.length * features);
  for (const [at, row] of rows.entries()) {
    values.set(work.rows.subarray(row * features, (row + 1) * features), at * features);
  }
  return {
    ...work,
    versionOf: Uint16Array.from(rows, (row) => work.versionOf[row] as number),
    rows: values,
    sourcePartitions: Uint16Array.from(rows, (row) => work.sourcePartitions[row] as number),
    sourceOffsets: Float64Array.from(rows, (row) => work.sourceOffsets[row] as number),
  };
}

/** News are in force after what the task has seen, and after they were made; that is a decision. */
function decidedNews(
  work: ScoreWork,
  result: Buffer,
  decide: (decision: ServiceDecision) => void,
): Buffer {
  const rows = work.sourceOffsets.length;
  const news = work.asksNews ? newsIn(result, rows) : null;
  if (news === null || news.length === 0) return result;
  const decided = news.map((each) => {
    const effectiveFrom = Math.max(each.effectiveFrom, work.knownAt);
    const counted = { ...each, effectiveFrom };
    const answer = Buffer.from(JSON.stringify(counted), "utf8");
    decide({ kind: "champion", position: each.number, until: effectiveFrom, answer });
    return counted;
  });
  return withNews(result.subarray(0, rows * rowResultBytes), decided);
}

/** Where the state of a row stands in the result of so many. */
function stateAt(rows: number, row: number): number {
  return rows * 16 + row;
}

/** A record may be asked of several versions: in place of one that fails, and beside it. */
function placeOf(partition: number, offset: number, version: string | null): string {
  return version === null ? `${partition}/${offset}` : `${partition}/${offset}/${version}`;
}

function versionAt({ versions, versionOf }: ScoreWork, row: number): string {
  return versions[versionOf[row] as number] ?? "";
}

function measured(pool: ScoringPool, metrics: Metrics): ScoringPool["score"] {
  const rows = metrics.counter("millrace_scored_rows_total", "Rows scored by a model.");
  const seconds = metrics.histogram(
    "millrace_scoring_seconds",
    "Time from handing a batch of rows to the scoring pool to its answer.",
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1],
  );
  const inFlight = "Rows that the scoring pool works on.";
  metrics.gauge("millrace_scoring_rows_in_flight", inFlight, [], (set) =>
    set({}, pool.rowsInFlight),
  );
  return async (work, signal): Promise<ScoreResult> => {
    const started = performance.now();
    const result = await pool.score(work, signal);
    rows.inc(work.versionOf.length);
    seconds.observe((performance.now() - started) / 1000);
    return result;
  };
}
