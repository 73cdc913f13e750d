import { writeFile } from "node:fs/promises";
import type { Silence } from "../../runtime/config/live-settings.ts";
import type { Config } from "../../runtime/config/settings.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { recordsIn } from "../../runtime/engine/accounting.ts";
import { claimDataDirectory, readManifest } from "../../runtime/hosting/data-directory.ts";
import type { Plan } from "../../schemas/plan.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import type { Interrupt } from "../exit.ts";
import { peakOf, workerPeaks } from "../run/memory.ts";
import { type OpenRun, type RunOutcome, withRun } from "../run/open-run.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "../run/run-record.ts";
import { RunWatch } from "../run/run-watch.ts";
import { sideBySide } from "../run/side-by-side.ts";
import { collectSummary } from "../summary/collect.ts";
import { summaryText } from "../summary/print.ts";
import { collectLiveFacts, latencySummary, liveText } from "./live-facts.ts";
import { type LiveRecord, readLiveRecord, writeLiveRecord } from "./live-record.ts";
import { LoadGenerator, type LoadReport } from "./load-generator.ts";
import { PredictionLatency } from "./prediction-latency.ts";

/** Time after the end in which what was sent before it is waited for, ms. */
const graceMs = 1_000;

/**
 * Runs the topology on what producers send, by the wall clock, with the load generator beside it
 * when it has a rate. Ends after `--for`, everything before that processed and stored, or with a
 * Ctrl-C. One that was killed goes on, to the end that it had.
 */
export function runLive(
  resolved: ResolvedConfig,
  interrupt: Pick<Interrupt, "signal" | "begin">,
): Promise<RunOutcome> {
  const claim = async () => {
    const live = await claimLive(plan, resolved.config);
    const to = live.until === null ? Number.POSITIVE_INFINITY : live.until + graceMs;
    const before: Before = { live, run: await readRunRecord(resolved.config.data) };
    return { config: { ...resolved.config, from: live.from, to }, before };
  };
  return withRun(plan, resolved, interrupt, claim, async (open, before) => {
    const { progress, log, application } = open;
    const run = new LiveRun(open, before);
    const complete = await run.go(interrupt.signal);
    progress.stop();
    log.info({ complete, ...application.status }, "run ended");
    if (complete) return await run.finish();
    progress.say(run.shortly());
    return "interrupted";
  });
}

/**
 * Writes down what the data directory is for, and when this run ends. The caller holds its lock.
 *
 * @throws {MillraceError} DATA_PLAN_CHANGED, DATA_MODE_CHANGED.
 */
async function claimLive(plan: Plan, config: Config): Promise<LiveRecord> {
  const now = Date.now();
  const manifest = await readManifest(config.data);
  const before = await readLiveRecord(config.data);
  const goesOn = before !== null && !before.ended && before.until !== null;
  const until = config.for === null ? null : goesOn ? before.until : now + config.for;
  const from = before?.from ?? now;
  const begunTo = manifest?.live === true ? Date.parse(manifest.to) : from;
  await claimDataDirectory(config.data, {
    plan: plan.name,
    fingerprint: plan.fingerprint,
    from: manifest?.live === true ? manifest.from : new Date(from).toISOString(),
    to: new Date(Math.max(until ?? now, begunTo)).toISOString(),
    inject: [],
    ...(config.stack === "embedded" ? {} : { stack: config.stack }),
    live: true,
  });
  const record = { from, until, ended: false, latency: before?.latency ?? null };
  await writeLiveRecord(config.data, record);
  return record;
}

interface Before {
  readonly live: LiveRecord;
  readonly run: RunRecord;
}

/** One start: load and topology side by side, watched. */
class LiveRun {
  readonly #run: OpenRun;
  readonly #before: Before;
  readonly #startedAt = performance.now();
  readonly #latency: PredictionLatency;
  readonly #watch: RunWatch;
  #load: LoadReport | null = null;

  constructor(run: OpenRun, before: Before) {
    this.#run = run;
    this.#before = before;
    const { broker, registry } = run.stack;
    this.#latency = PredictionLatency.start({
      plan,
      broker,
      registry,
      before: before.live.latency,
    });
    this.#watch = new RunWatch(run, {
      peaks: before.run.peaks,
      share: () => this.#share(),
      phase: () => {
        const { p50, p99 } = latencySummary(this.#latency.histogram);
        return p50 === null ? "live" : `live, p50 ${p50} ms, p99 ${p99} ms`;
      },
      keep: () => this.#keepRecords(false),
    });
  }

  /** False when the signal stopped it. A failure of one side stops the other. */
  async go(signal: AbortSignal): Promise<boolean> {
    const { application, config } = this.#run;
    this.#watch.start();
    const sides = await sideBySide(
      signal,
      (either) => this.#send(either),
      (either) => application.run(either, config.to),
    );
    await this.#watch.stop();
    await this.#latency.stop();
    const complete = !signal.aborted && sides.every(({ status }) => status === "fulfilled");
    await this.#keepRecords(complete);
    for (const side of sides) if (side.status === "rejected") throw side.reason;
    return complete;
  }

  /** Adds up, prints and writes the summary. */
  async finish(): Promise<RunOutcome> {
    const { application, stack, config } = this.#run;
    const { from, to, json, maxWait, data } = config;
    const { elapsedMs, peaks } = await readRunRecord(data);
    const { summary, problems } = await collectSummary(plan, stack, {
      range: { from, to: to - graceMs },
      branches: application.accounts(),
      eventsPerSecond: (recordsIn(application.accounts()) * 1000) / elapsedMs,
      maxRssBytes: peakOf(peaks, "all"),
      workerMaxRssBytes: workerPeaks(peaks),
    });
    const live = await collectLiveFacts(plan, stack, {
      maxWaitMs: maxWait,
      latency: this.#latency.histogram,
      load: this.#load,
    });
    process.stdout.write(`\n${summaryText(summary, problems)}\n${liveText(live)}\n`);
    if (json !== null) await writeFile(json, `${JSON.stringify({ ...summary, live }, null, 2)}\n`);
    return summary.balanced ? "done" : "failed";
  }

  /** What is known without asking the stores. */
  shortly(): string {
    const { count, p50, p99 } = latencySummary(this.#latency.histogram);
    return (
      `${count.toLocaleString("en-US")} predictions so far` +
      (p50 === null ? "" : `, latency p50 ${p50} ms, p99 ${p99} ms`)
    );
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { rate, seed, flightTime: flightTimeMs } = this.#run.config;
    if (rate === 0) return;
    const silences = this.#silences(Date.now());
    const { broker, registry } = this.#run.stack;
    const { partitions } = plan;
    const { until } = this.#before.live;
    const generator = await LoadGenerator.open({
      ...{ broker, registry, partitions, rate, seed, flightTimeMs, silences, until, signal },
    });
    try {
      this.#load = await generator.run();
    } finally {
      this.#load = generator.report;
      await generator.close();
    }
  }

  /** From the beginning of the run, whenever this start of it is. */
  #silences(now: number): Silence[] {
    const { silent, for: lengthMs } = this.#run.config;
    const { until, from } = this.#before.live;
    const began = until === null || lengthMs === null ? from : until - lengthMs;
    return silent.map((each) => ({ ...each, startMs: each.startMs + began - now }));
  }

  /** Of the time that it is to run; null when nobody said how long. */
  #share(): number | null {
    const { until } = this.#before.live;
    if (until === null || this.#run.config.for === null) return null;
    return Math.min(1, Math.max(0, 1 - (until - Date.now()) / this.#run.config.for));
  }

  /** For the next start. */
  async #keepRecords(ended: boolean): Promise<void> {
    const { run, live } = this.#before;
    const elapsedMs = run.elapsedMs + (performance.now() - this.#startedAt);
    const { data } = this.#run.config;
    await writeRunRecord(data, { elapsedMs, peaks: this.#watch.peaks, completedTo: null });
    await writeLiveRecord(data, { ...live, ended, latency: this.#latency.record });
  }
}
