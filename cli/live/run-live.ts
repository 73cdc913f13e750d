import { writeFile } from "node:fs/promises";
import { claimDataDirectory, readManifest } from "../../runtime/application/data-directory.ts";
import type { RunningPlan } from "../../runtime/application/running-plan.ts";
import type { Stack } from "../../runtime/application/stack.ts";
import type { Silence } from "../../runtime/config/live-settings.ts";
import type { Config } from "../../runtime/config/settings.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import type { Plan } from "../../schemas/plan.ts";
import { flights } from "../../topologies/flights/flights.ts";
import type { Interrupt } from "../exit.ts";
import { openStack } from "../open-stack.ts";
import { currentAuc } from "../run/current-auc.ts";
import { prepareData } from "../run/fresh.ts";
import { createLog } from "../run/log.ts";
import { peakOf, rssOf, withPeaks, workerPeaks } from "../run/memory.ts";
import { createProgress, type Progress } from "../run/progress.ts";
import { openDoors, type RunOutcome, recordsIn } from "../run/run.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "../run/run-record.ts";
import { sideBySide } from "../run/side-by-side.ts";
import { startPlan } from "../run/start-plan.ts";
import { collectSummary } from "../summary/collect.ts";
import { summaryText } from "../summary/print.ts";
import { collectLiveFacts, latencySummary, liveText } from "./live-facts.ts";
import { type LiveRecord, readLiveRecord, writeLiveRecord } from "./live-record.ts";
import { LoadGenerator, type LoadReport } from "./load-generator.ts";
import { PredictionLatency } from "./prediction-latency.ts";

/** Time between two looks at progress and memory, ms. */
const watchEveryMs = 500;
/** Looks between two queries of the AUC, and between two writings of the records. */
const looksPerQuery = 6;
/** Time after the end in which what was sent before it is waited for, ms. */
const graceMs = 1_000;

/**
 * Runs the topology on what producers send, by the wall clock, with the load generator beside it
 * when it has a rate. Ends after `--for`, everything before that processed and stored, or with a
 * Ctrl-C. One that was killed goes on, to the end that it had.
 */
export async function runLive(
  resolved: ResolvedConfig,
  interrupt: Pick<Interrupt, "signal" | "begin">,
): Promise<RunOutcome> {
  const plan = flights;
  await prepareData(resolved.config);
  const progress = createProgress(process.stdout);
  const log = createLog(resolved.config.logLevel);
  const closing: (() => Promise<void>)[] = [];
  try {
    const { httpPort, data } = { httpPort: resolved.config.http, data: resolved.config.data };
    const stack = await openStack(resolved.config, { httpPort, exclusive: true });
    closing.push(() => stack.close());
    const record = await claimLive(plan, resolved.config);
    const to = record.until === null ? Number.POSITIVE_INFINITY : record.until + graceMs;
    const config = { ...resolved.config, from: record.from, to };
    log.info({ data, until: record.until }, "stack opened");
    const application = await startPlan(plan, stack, config, progress, log);
    interrupt.begin();
    closing.push(() => application.close());
    closing.push(...(await openDoors(application, stack, resolved, progress)));
    log.info("tasks restored");
    const run = new LiveRun(application, stack, config, progress, {
      live: record,
      run: await readRunRecord(data),
    });
    closing.push(() => run.stop());
    const complete = await run.go(interrupt.signal);
    progress.stop();
    log.info({ complete, ...application.status }, "run ended");
    if (complete) return await run.finish();
    progress.say(run.shortly());
    return "interrupted";
  } finally {
    progress.stop();
    for (const close of closing.reverse()) await close();
  }
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

/** One start: load and topology side by side, watched. */
class LiveRun {
  readonly #application: RunningPlan;
  readonly #stack: Stack;
  readonly #config: Config;
  readonly #progress: Progress;
  readonly #before: { readonly live: LiveRecord; readonly run: RunRecord };
  readonly #startedAt = performance.now();
  readonly #latency: PredictionLatency;
  #peaks: RunRecord["peaks"];
  #load: LoadReport | null = null;
  #auc: number | null = null;
  #watching: NodeJS.Timeout | null = null;
  #look: Promise<void> = Promise.resolve();
  #looks = 0;

  constructor(
    application: RunningPlan,
    stack: Stack,
    config: Config,
    progress: Progress,
    before: { readonly live: LiveRecord; readonly run: RunRecord },
  ) {
    this.#application = application;
    this.#stack = stack;
    this.#config = config;
    this.#progress = progress;
    this.#before = before;
    this.#peaks = before.run.peaks;
    const { broker, registry } = stack;
    const { plan } = application;
    this.#latency = PredictionLatency.start({
      plan,
      broker,
      registry,
      before: before.live.latency,
    });
  }

  /** False when the signal stopped it. A failure of one side stops the other. */
  async go(signal: AbortSignal): Promise<boolean> {
    this.#watch();
    const sides = await sideBySide(
      signal,
      (either) => this.#send(either),
      (either) => this.#application.run(either, this.#config.to),
    );
    await this.stop();
    await this.#latency.stop();
    const complete = !signal.aborted && sides.every(({ status }) => status === "fulfilled");
    await this.#keepRecords(complete);
    for (const side of sides) if (side.status === "rejected") throw side.reason;
    return complete;
  }

  /** Adds up, prints and writes the summary. */
  async finish(): Promise<RunOutcome> {
    const { from, to, json, maxWait } = this.#config;
    const { plan } = this.#application;
    const { elapsedMs, peaks } = await readRunRecord(this.#config.data);
    const { summary, problems } = await collectSummary(plan, this.#stack, {
      range: { from, to: to - graceMs },
      branches: this.#application.accounts(),
      eventsPerSecond: (recordsIn(this.#application) * 1000) / elapsedMs,
      maxRssBytes: peakOf(peaks, "all"),
      workerMaxRssBytes: workerPeaks(peaks),
    });
    const live = await collectLiveFacts(plan, this.#stack, {
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

  /** Stops watching; the last look ends first. */
  async stop(): Promise<void> {
    if (this.#watching !== null) clearInterval(this.#watching);
    this.#watching = null;
    await this.#look;
    await this.#latency.stop();
  }

  async #send(signal: AbortSignal): Promise<void> {
    const { rate, seed, flightTime: flightTimeMs } = this.#config;
    if (rate === 0) return;
    const silences = this.#silences(Date.now());
    const { broker, registry } = this.#stack;
    const { partitions } = this.#application.plan;
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
    const { silent, for: lengthMs } = this.#config;
    const { until, from } = this.#before.live;
    const began = until === null || lengthMs === null ? from : until - lengthMs;
    return silent.map((each) => ({ ...each, startMs: each.startMs + began - now }));
  }

  #watch(): void {
    let looking = false;
    this.#watching = setInterval(() => {
      if (looking) return;
      looking = true;
      this.#look = this.#takeLook().finally(() => {
        looking = false;
      });
    }, watchEveryMs);
  }

  /** What cannot be seen now is seen next time: looking never stops a run. */
  async #takeLook(): Promise<void> {
    const rss = await rssOf(this.#application.pids, this.#stack.pids());
    const { taskProgress } = this.#application.status;
    const share = this.#share();
    this.#peaks = withPeaks(this.#peaks, rss, share < 0.5 ? 0 : 1);
    const { p50, p99 } = latencySummary(this.#latency.histogram);
    this.#progress.update({
      eventTime: taskProgress,
      share,
      records: recordsIn(this.#application),
      auc: this.#auc,
      phase: p50 === null ? "live" : `live, p50 ${p50} ms, p99 ${p99} ms`,
    });
    if (++this.#looks % looksPerQuery !== 0) return;
    await this.#keepRecords(false).catch(() => {});
    this.#auc = await currentAuc(this.#application.plan, this.#stack.offline).catch(
      () => this.#auc,
    );
  }

  /** Of the time that it is to run; 0 when nobody said how long. */
  #share(): number {
    const { until } = this.#before.live;
    if (until === null || this.#config.for === null) return 0;
    return Math.min(1, Math.max(0, 1 - (until - Date.now()) / this.#config.for));
  }

  /** For the next start. */
  async #keepRecords(ended: boolean): Promise<void> {
    const { run, live } = this.#before;
    const elapsedMs = run.elapsedMs + (performance.now() - this.#startedAt);
    await writeRunRecord(this.#config.data, { elapsedMs, peaks: this.#peaks, completedTo: null });
    await writeLiveRecord(this.#config.data, { ...live, ended, latency: this.#latency.record });
  }
}
