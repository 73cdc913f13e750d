import { writeFile } from "node:fs/promises";
import type { Config } from "../../runtime/config/settings.ts";
import { recordsIn } from "../../runtime/engine/accounting.ts";
import { readManifest } from "../../runtime/hosting/data-directory.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { mayGoOn, retry } from "../../runtime/retry.ts";
import { claimData, type LoadedApplication } from "../run/claim.ts";
import { peakOf, workerPeaks } from "../run/memory.ts";
import {
  interrupted,
  type OpenRun,
  type RunEnd,
  type RunRequest,
  withRun,
} from "../run/open-run.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "../run/run-record.ts";
import { RunWatch } from "../run/run-watch.ts";
import { sideBySide } from "../run/side-by-side.ts";
import { collectSummary } from "../summary/collect.ts";
import { summaryText } from "../summary/print.ts";
import { collectLiveFacts, latencySummary, liveText } from "./live-facts.ts";
import { type LiveRecord, readLiveRecord, writeLiveRecord } from "./live-record.ts";
import { PredictionLatency } from "./prediction-latency.ts";

/** Time after the end in which what was sent before it is waited for, ms. */
const graceMs = 1_000;

/**
 * Runs an application on what producers send, by the wall clock, with its feeder beside it. Ends
 * after `--for`, everything before that processed and stored, or with a Ctrl-C. One that was killed
 * goes on, to the end that it had.
 */
export function runLive(request: RunRequest): Promise<RunEnd> {
  const { application, resolved, interrupt, progress } = request;
  const claim = async (stack: Stack) => {
    const { live, text } = await claimLive(application, stack, resolved.config);
    if (text !== null) progress.say(text);
    const to = live.until === null ? Number.POSITIVE_INFINITY : live.until + graceMs;
    const before: Before = { live, run: await readRunRecord(resolved.config.data) };
    return { range: { from: live.from, to }, before };
  };
  return withRun(request, claim, async (open, before) => {
    const { log, application } = open;
    const run = new LiveRun(open, before);
    const complete = await run.go(interrupt.signal);
    progress.stop();
    log.info({ complete, ...application.status }, "run ended");
    if (complete) return await run.finish();
    progress.say(run.shortly());
    return interrupted;
  });
}

/**
 * Writes down what the data directory is for, and finds when this run ends; that is kept once it
 * runs. The caller holds its lock.
 *
 * @returns with what people are told of an end that an earlier start had.
 * @throws {MillraceError} DATA_PLAN_CHANGED, DATA_MODE_CHANGED.
 */
async function claimLive(
  application: LoadedApplication,
  stack: Stack,
  config: Config,
): Promise<{ readonly live: LiveRecord; readonly text: string | null }> {
  const now = Date.now();
  const manifest = await readManifest(config.data);
  const before = await readLiveRecord(config.data);
  const { until, text } = endOf(before, config.for, now);
  const begun = manifest?.live === true ? manifest : null;
  const from = before?.from ?? (begun === null ? now : Date.parse(begun.from));
  const range = {
    from: begun === null ? from : Date.parse(begun.from),
    to: Math.max(until ?? now, begun === null ? from : Date.parse(begun.to)),
  };
  await claimData(application, config, stack, range, true);
  const latency = before?.latency ?? null;
  return { live: { from, until, forMs: config.for, ended: false, latency }, text };
}

/**
 * When a start ends: where the start before was to, if that ran, was cut off and had the same
 * `--for`; else so long from now.
 */
export function endOf(
  before: Pick<LiveRecord, "until" | "forMs" | "ended"> | null,
  forMs: number | null,
  now: number,
): { readonly until: number | null; readonly text: string | null } {
  const until = forMs === null ? null : now + forMs;
  if (before === null || before.ended || before.until === null) return { until, text: null };
  const was = `${new Date(before.until).toISOString().slice(0, 19).replace("T", " ")} UTC`;
  if (before.forMs === forMs) {
    const text = `goes on to ${was}, the end of the run that was cut off; another --for counts from now`;
    return { until: before.until, text };
  }
  const text = forMs === null ? "runs until Ctrl-C" : "--for counts from now";
  return { until, text: `${text}: the run that was cut off was to end at ${was}` };
}

interface Before {
  readonly live: LiveRecord;
  readonly run: RunRecord;
}

/** One start: feeder and topologies side by side, watched. */
class LiveRun {
  readonly #run: OpenRun;
  readonly #before: Before;
  readonly #startedAt = performance.now();
  readonly #latency: PredictionLatency;
  readonly #watch: RunWatch;
  #fed: Readonly<Record<string, unknown>> | null = null;

  constructor(run: OpenRun, before: Before) {
    this.#run = run;
    this.#before = before;
    const { broker, registry } = run.stack;
    this.#latency = PredictionLatency.start({
      plans: run.plans,
      broker,
      registry,
      before: before.live.latency,
    });
    this.#watch = new RunWatch(run, {
      peaks: before.run.peaks,
      share: () => this.#share(),
      leftMs: () => this.#leftMs(),
      phase: () => {
        const { p50, p99 } = latencySummary(this.#latency.histogram);
        return p50 === null ? "live" : `live, p50 ${p50} ms, p99 ${p99} ms`;
      },
      keep: () => this.#keepRecords(false),
    });
  }

  /** False when the signal stopped it. A failure of one side stops the other. */
  async go(signal: AbortSignal): Promise<boolean> {
    const { application, range, config } = this.#run;
    // A start that fails before it runs sets no end for the next.
    await writeLiveRecord(config.data, this.#before.live);
    this.#watch.start();
    const sides = await sideBySide(
      signal,
      (either) => this.#send(either),
      (either) => application.run(either, range.to),
    );
    await this.#watch.stop();
    await this.#latency.stop();
    const complete = !signal.aborted && sides.every(({ status }) => status === "fulfilled");
    await this.#keepRecords(complete);
    for (const side of sides) if (side.status === "rejected") throw side.reason;
    return complete;
  }

  /** Adds up, prints and writes the summary. */
  async finish(): Promise<RunEnd> {
    const { application, plans, stack, config, range, spec, print, addUp } = this.#run;
    const { summary: file, maxWait, data } = config;
    const { elapsedMs, peaks } = await readRunRecord(data);
    const facts = {
      range: { from: range.from, to: range.to - graceMs },
      eventsPerSecond: (recordsIn(application.accounts()) * 1000) / elapsedMs,
      maxRssBytes: peakOf(peaks, "all"),
      workerMaxRssBytes: workerPeaks(peaks),
    };
    const { summary, problems } = await addUp(() =>
      collectSummary(application.parts, stack, facts),
    );
    const running = application.parts.map(({ plan }) => plan);
    const live = await addUp(() =>
      collectLiveFacts(plans, running, stack, {
        maxWaitMs: maxWait,
        latency: this.#latency.histogram,
        load: this.#fed,
      }),
    );
    const own = spec.report({ plans, stack, config, fed: this.#fed });
    print(`\n${[summaryText(summary, problems), liveText(live), ...own].join("\n")}\n`);
    const whole = { ...summary, live };
    if (file !== null) await writeFile(file, `${JSON.stringify(whole, null, 2)}\n`);
    return { outcome: summary.balanced === false ? "failed" : "done", summary: whole, problems };
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
    const { spec, plans, stack, config } = this.#run;
    const { until, from } = this.#before.live;
    const began = until === null || config.for === null ? from : until - config.for;
    const feed = { plans, stack, config, signal, began, until };
    const live = spec.feeder?.live?.bind(spec.feeder);
    if (live === undefined) return;
    this.#fed = await retry(() => live(feed), { signal, mayPass: mayGoOn });
  }

  /** Of the time that it is to run; null when nobody said how long. */
  #share(): number | null {
    const leftMs = this.#leftMs();
    if (leftMs === null || this.#run.config.for === null) return null;
    return Math.min(1, 1 - leftMs / this.#run.config.for);
  }

  /** Of that time; null when nobody said how long. */
  #leftMs(): number | null {
    const { until } = this.#before.live;
    return until === null ? null : Math.max(0, until - Date.now());
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
