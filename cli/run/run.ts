import { writeFile } from "node:fs/promises";
import type { RunningPlan } from "../../runtime/application/running-plan.ts";
import type { Stack } from "../../runtime/application/stack.ts";
import type { Config } from "../../runtime/config/settings.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { serveMetrics } from "../../runtime/metrics/server.ts";
import { flights } from "../../topologies/flights/flights.ts";
import type { Interrupt } from "../exit.ts";
import { flightsLatenessMs as latenessMs } from "../flights/check-config.ts";
import { injectionText, parseInjections } from "../flights/injections.ts";
import { openFlights } from "../flights/open-flights.ts";
import { type ReplayProgress, type ReplayReport, replayFlights } from "../flights/replay.ts";
import { configLines } from "../inspect/open-inspector.ts";
import { serveInspector } from "../inspect/socket-server.ts";
import { inspectStack } from "../inspect/stack-inspector.ts";
import { openStack } from "../open-stack.ts";
import { collectSummary } from "../summary/collect.ts";
import { summaryText } from "../summary/print.ts";
import { claimData } from "./claim.ts";
import { currentAuc } from "./current-auc.ts";
import { prepareData } from "./fresh.ts";
import { createLog } from "./log.ts";
import { peakOf, rssOf, withPeaks, workerPeaks } from "./memory.ts";
import { createProgress, type Progress } from "./progress.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "./run-record.ts";
import { sideBySide } from "./side-by-side.ts";
import { startPlan } from "./start-plan.ts";

export type RunOutcome = "done" | "failed" | "interrupted";

/** Time between two looks at progress and memory, ms. */
const watchEveryMs = 500;
/** Looks between two queries of the AUC, and between two writings of the record. */
const looksPerQuery = 6;

/**
 * Replays flights into the topology on the configured stack until the end of the range, or until
 * a Ctrl-C: then everything is committed and the next run goes on there.
 */
export async function runFlights(
  resolved: ResolvedConfig,
  interrupt: Pick<Interrupt, "signal" | "begin">,
): Promise<RunOutcome> {
  const { config } = resolved;
  const plan = flights;
  const injections = parseInjections(config.inject, config.seed, latenessMs);
  await prepareData(config);
  const progress = createProgress(process.stdout);
  const log = createLog(config.logLevel);
  const closing: (() => Promise<void>)[] = [];
  try {
    const stack = await openStack(config, { httpPort: config.http, exclusive: true });
    closing.push(() => stack.close());
    await claimData(plan, config);
    log.info({ data: config.data, from: config.from, to: config.to }, "stack opened");
    const application = await startPlan(plan, stack, config, progress, log);
    interrupt.begin();
    closing.push(() => application.close());
    closing.push(...(await openDoors(application, stack, resolved, progress)));
    const run = new Run(application, stack, config, progress, await readRunRecord(config.data));
    closing.push(() => run.stop());
    const replay = (inner: AbortSignal, onProgress: (state: ReplayProgress) => void) =>
      replayFlights({
        broker: stack.broker,
        registry: stack.registry,
        flights: openFlights(stack.files),
        partitions: plan.partitions,
        from: config.from,
        to: config.to,
        injections,
        injectText: injectionText(config.inject, config.seed),
        latenessMs,
        onProgress,
        signal: inner,
      });
    const complete = await run.go(interrupt.signal, replay);
    progress.stop();
    log.info({ complete, ...application.status }, "run ended");
    return complete ? await run.finish() : "interrupted";
  } finally {
    progress.stop();
    for (const close of closing.reverse()) await close();
  }
}

/** Socket, metrics and ClickHouse's interface; returns how to close them. */
export async function openDoors(
  application: RunningPlan,
  stack: Stack,
  resolved: ResolvedConfig,
  progress: Progress,
): Promise<(() => Promise<void>)[]> {
  const { config } = resolved;
  const now = () => (config.live ? Date.now() : null);
  const inspector = inspectStack(application.plan, stack, configLines(resolved), now);
  const socket = await serveInspector(inspector, config.data);
  const closing = [() => socket.close()];
  if (config.metrics !== null) {
    const metrics = await serveMetrics(application.metrics, config.metrics);
    closing.push(() => metrics.close());
    progress.say(`metrics     http://127.0.0.1:${metrics.port}/metrics`);
  }
  if (stack.offlineAddress !== null) progress.say(`ClickHouse  ${stack.offlineAddress}`);
  return closing;
}

/** One start: replay and topology side by side, watched. */
class Run {
  readonly #application: RunningPlan;
  readonly #stack: Stack;
  readonly #config: Config;
  readonly #progress: Progress;
  readonly #before: RunRecord;
  readonly #startedAt = performance.now();
  #peaks: RunRecord["peaks"];
  #sent = 0;
  #report: ReplayReport | null = null;
  #auc: number | null = null;
  #watching: NodeJS.Timeout | null = null;
  #look: Promise<void> = Promise.resolve();
  #looks = 0;

  constructor(
    application: RunningPlan,
    stack: Stack,
    config: Config,
    progress: Progress,
    before: RunRecord,
  ) {
    this.#application = application;
    this.#stack = stack;
    this.#config = config;
    this.#progress = progress;
    this.#before = before;
    this.#peaks = before.peaks;
  }

  /** False when the signal stopped it. A failure of one side stops the other. */
  async go(
    signal: AbortSignal,
    replay: (
      signal: AbortSignal,
      onProgress: (state: ReplayProgress) => void,
    ) => Promise<ReplayReport>,
  ): Promise<boolean> {
    this.#watch();
    const sides = await sideBySide(
      signal,
      (either) =>
        replay(either, ({ sentNow }) => {
          this.#sent = sentNow;
        }),
      (either) => this.#application.run(either, this.#config.to),
    );
    await this.stop();
    for (const side of sides) if (side.status === "rejected") throw side.reason;
    if (sides[0].status === "fulfilled") this.#report = sides[0].value;
    const complete = !signal.aborted && this.#report?.complete === true;
    if (!complete) await this.#keepRecord();
    return complete;
  }

  /** Adds up, prints and writes the summary. */
  async finish(): Promise<RunOutcome> {
    const record = this.#record(this.#config.to);
    await writeRunRecord(this.#config.data, record);
    const events = Object.values(this.#report?.sent ?? {}).reduce((sum, sent) => sum + sent, 0);
    const { from, to, json } = this.#config;
    const { summary, problems } = await collectSummary(this.#application.plan, this.#stack, {
      range: { from, to },
      branches: this.#application.accounts(),
      eventsPerSecond: record.elapsedMs === 0 ? 0 : (events * 1000) / record.elapsedMs,
      maxRssBytes: peakOf(record.peaks, "all"),
      workerMaxRssBytes: workerPeaks(record.peaks),
    });
    process.stdout.write(`\n${summaryText(summary, problems)}\n`);
    if (json !== null) await writeFile(json, `${JSON.stringify(summary, null, 2)}\n`);
    return summary.balanced ? "done" : "failed";
  }

  /** Stops watching; the last look ends first. */
  async stop(): Promise<void> {
    if (this.#watching !== null) clearInterval(this.#watching);
    this.#watching = null;
    await this.#look;
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
    const { taskProgress, committedRecords } = this.#application.status;
    const { from, to } = this.#config;
    const share = Math.min(1, Math.max(0, (taskProgress - from) / (to - from)));
    this.#peaks = withPeaks(this.#peaks, rss, share < 0.5 ? 0 : 1);
    this.#progress.update({
      eventTime: taskProgress,
      share,
      records: recordsIn(this.#application),
      auc: this.#auc,
      phase: share < 1 ? `${committedRecords.toLocaleString("en-US")} written` : "storing",
    });
    if (++this.#looks % looksPerQuery !== 0) return;
    await this.#keepRecord();
    this.#auc = await currentAuc(this.#application.plan, this.#stack.offline).catch(
      () => this.#auc,
    );
  }

  /** Time and memory so far, for the next start; losing them costs no more than a number. */
  async #keepRecord(): Promise<void> {
    const record = this.#record(this.#before.completedTo);
    await writeRunRecord(this.#config.data, record).catch(() => undefined);
  }

  /** A start that found everything done adds nothing. */
  #record(completedTo: number | null): RunRecord {
    const isRepeat =
      this.#before.completedTo === this.#config.to && (this.#report?.sentNow ?? this.#sent) === 0;
    if (isRepeat) return this.#before;
    return {
      elapsedMs: this.#before.elapsedMs + (performance.now() - this.#startedAt),
      peaks: this.#peaks,
      completedTo,
    };
  }
}

/** Source records that were read so far; each branch of a source reads all of them. */
export function recordsIn(application: RunningPlan): number {
  const bySource = new Map<string, Map<string, number>>();
  for (const { source, branch, in: read } of application.accounts()) {
    const branches = bySource.get(source) ?? new Map<string, number>();
    bySource.set(source, branches.set(branch, (branches.get(branch) ?? 0) + read));
  }
  return [...bySource.values()].reduce((sum, all) => sum + Math.max(...all.values()), 0);
}
