import type { ScoreWork } from "../../../processors/scoring/score-work.ts";
import { stepsOf } from "../../../schemas/plan.ts";
import type { Metrics } from "../../metrics/metrics.ts";
import type { Service } from "../service.ts";
import { ScoreDeadline } from "./score-deadline.ts";
import { encodeScoreResult, type ScoreResult } from "./scorer.ts";
import { createScoringPool, type ScoringPool } from "./scoring-pool.ts";

/**
 * Scores rows in a pool of threads. In live mode a step's deadline bounds the call, and each row
 * that it left without a score is a decision.
 */
export const scoring: Service<ScoreWork> = {
  open: ({ artifacts, scoringThreads, metrics }) => {
    const pool = createScoringPool({
      artifacts,
      ...(scoringThreads === undefined ? {} : { threads: scoringThreads }),
    });
    const score = metrics === undefined ? pool.score.bind(pool) : measured(pool, metrics);
    return {
      run: async (work, _subtopology, signal) => {
        if (work.versionOf.length === 0) return Buffer.alloc(0);
        for (const sha256 of work.artifacts) if (sha256 !== "") await artifacts.ensure(sha256);
        return encodeScoreResult(await score(work, signal));
      },
      close: () => pool.close(),
    };
  },
  limit: (plan) => {
    const deadlines = new Map(
      stepsOf(plan, "scoring").map(({ name, deadlineMs }) => [name, deadlineMs]),
    );
    const deadline = new ScoreDeadline();
    return {
      bound: (work, { name }, call) =>
        deadline.bound(work, call, deadlines.get(name) ?? Number.POSITIVE_INFINITY),
    };
  },
  settled: (work, result, _now, decide) => {
    for (let row = 0; row < work.sourceOffsets.length; row++) {
      if (!Number.isNaN(result.readDoubleLE(row * 8))) continue;
      const writer = work.sourcePartitions[row] as number;
      decide({ kind: "deadline", writer, position: work.sourceOffsets[row] as number });
    }
    return result;
  },
  repeat: (decisions) => {
    const tooLate = new Set(
      decisions.flatMap(({ kind, writer, position }) =>
        kind === "deadline" ? [placeOf(writer ?? 0, position)] : [],
      ),
    );
    return {
      known: () => undefined,
      settled: (work, result) => {
        if (tooLate.size === 0) return result;
        const counted = Buffer.from(result);
        for (let row = 0; row < work.sourceOffsets.length; row++) {
          const partition = work.sourcePartitions[row] as number;
          if (!tooLate.has(placeOf(partition, work.sourceOffsets[row] as number))) continue;
          counted.writeDoubleLE(Number.NaN, row * 8);
        }
        return counted;
      },
    };
  },
};

function placeOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
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
