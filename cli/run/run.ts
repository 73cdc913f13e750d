import { writeFile } from "node:fs/promises";
import { flightsLatenessMs as latenessMs } from "../../examples/flights/check-config.ts";
import { injectionText, parseInjections } from "../../examples/flights/injections.ts";
import { openFlights } from "../../examples/flights/open-flights.ts";
import { type ReplayReport, replayFlights } from "../../examples/flights/replay.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import type { Interrupt } from "../exit.ts";
import { collectSummary } from "../summary/collect.ts";
import { summaryText } from "../summary/print.ts";
import { claimData } from "./claim.ts";
import { peakOf, workerPeaks } from "./memory.ts";
import { type OpenRun, type RunOutcome, withRun } from "./open-run.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "./run-record.ts";
import { RunWatch } from "./run-watch.ts";
import { sideBySide } from "./side-by-side.ts";

/**
 * Replays flights into the topology on the configured stack until the end of the range, or until
 * a Ctrl-C: then everything is committed and the next run goes on there.
 */
export function runFlights(
  resolved: ResolvedConfig,
  interrupt: Pick<Interrupt, "signal" | "begin">,
): Promise<RunOutcome> {
  const { config } = resolved;
  const claim = async () => {
    await claimData(plan, config);
    return { config, before: await readRunRecord(config.data) };
  };
  return withRun(plan, resolved, interrupt, claim, async (open, before) => {
    const run = new Run(open, before);
    const complete = await run.go(interrupt.signal);
    open.progress.stop();
    open.log.info({ complete, ...open.application.status }, "run ended");
    return complete ? await run.finish() : "interrupted";
  });
}

/** One start: replay and topology side by side, watched. */
class Run {
  readonly #run: OpenRun;
  readonly #before: RunRecord;
  readonly #watch: RunWatch;
  readonly #startedAt = performance.now();
  #sent = 0;
  #report: ReplayReport | null = null;

  constructor(run: OpenRun, before: RunRecord) {
    this.#run = run;
    this.#before = before;
    const { from, to } = run.config;
    const status = () => run.application.status;
    this.#watch = new RunWatch(run, {
      peaks: before.peaks,
      share: () => Math.min(1, Math.max(0, (status().taskProgress - from) / (to - from))),
      phase: () =>
        status().taskProgress < to
          ? `${status().committedRecords.toLocaleString("en-US")} written`
          : "storing",
      keep: () => this.#keepRecord(),
    });
  }

  /** False when the signal stopped it. A failure of one side stops the other. */
  async go(signal: AbortSignal): Promise<boolean> {
    const { application, config } = this.#run;
    this.#watch.start();
    const [replay, topology] = await sideBySide(
      signal,
      (either) => this.#replay(either),
      (either) => application.run(either, config.to),
    );
    await this.#watch.stop();
    if (replay.status === "rejected") throw replay.reason;
    if (topology.status === "rejected") throw topology.reason;
    this.#report = replay.value;
    const complete = !signal.aborted && this.#report.complete;
    if (!complete) await this.#keepRecord().catch(() => {});
    return complete;
  }

  #replay(signal: AbortSignal): Promise<ReplayReport> {
    const { stack, config } = this.#run;
    return replayFlights({
      broker: stack.broker,
      registry: stack.registry,
      flights: openFlights(stack.files),
      partitions: plan.partitions,
      from: config.from,
      to: config.to,
      injections: parseInjections(config.inject, config.seed, latenessMs),
      injectText: injectionText(config.inject, config.seed),
      latenessMs,
      onProgress: ({ sentNow }) => {
        this.#sent = sentNow;
      },
      signal,
    });
  }

  /** Adds up, prints and writes the summary. */
  async finish(): Promise<RunOutcome> {
    const record = this.#record(this.#run.config.to);
    const { application, stack, config } = this.#run;
    const { from, to, data, json } = config;
    await writeRunRecord(data, record);
    const events = Object.values(this.#report?.sent ?? {}).reduce((sum, sent) => sum + sent, 0);
    const { summary, problems } = await collectSummary(plan, stack, {
      range: { from, to },
      branches: application.accounts(),
      eventsPerSecond: record.elapsedMs === 0 ? 0 : (events * 1000) / record.elapsedMs,
      maxRssBytes: peakOf(record.peaks, "all"),
      workerMaxRssBytes: workerPeaks(record.peaks),
    });
    process.stdout.write(`\n${summaryText(summary, problems)}\n`);
    if (json !== null) await writeFile(json, `${JSON.stringify(summary, null, 2)}\n`);
    return summary.balanced ? "done" : "failed";
  }

  /** Time and memory so far, for the next start. */
  async #keepRecord(): Promise<void> {
    await writeRunRecord(this.#run.config.data, this.#record(this.#before.completedTo));
  }

  /** A start that found everything done adds nothing. */
  #record(completedTo: number | null): RunRecord {
    const sentNow = this.#report?.sentNow ?? this.#sent;
    if (this.#before.completedTo === this.#run.config.to && sentNow === 0) return this.#before;
    return {
      elapsedMs: this.#before.elapsedMs + (performance.now() - this.#startedAt),
      peaks: this.#watch.peaks,
      completedTo,
    };
  }
}
