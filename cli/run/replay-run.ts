import { writeFile } from "node:fs/promises";
import type { Feeder, FeedReport } from "../../runtime/hosting/application-spec.ts";
import { feedInTurn } from "../../runtime/hosting/feed-turn.ts";
import { mayGoOn, retry } from "../../runtime/retry.ts";
import { collectSummary } from "../summary/collect.ts";
import { summaryText } from "../summary/print.ts";
import { claimData } from "./claim.ts";
import { peakOf, workerPeaks } from "./memory.ts";
import { interrupted, type OpenRun, type RunEnd, type RunRequest, withRun } from "./open-run.ts";
import { type RunRecord, readRunRecord, writeRunRecord } from "./run-record.ts";
import { RunWatch } from "./run-watch.ts";
import { sideBySide } from "./side-by-side.ts";
import { standingTopics } from "./standing-topics.ts";

interface Before {
  readonly record: RunRecord;
  readonly feeder: Feeder;
}

/**
 * Replays an application on the configured stack, what its feeder sends or what stands in its
 * source topics, until the end of the range, or until a Ctrl-C: then everything is committed and
 * the next run goes on there.
 */
export function runReplay(request: RunRequest): Promise<RunEnd> {
  const { application, resolved, interrupt } = request;
  const { config } = resolved;
  const { spec } = application;
  return withRun<Before>(
    request,
    async (stack) => {
      const feeder = spec.feeder ?? (await standingTopics(spec.topologies, stack, config));
      const range = feeder.range(config);
      await claimData(application, config, stack, range);
      return { range, before: { record: await readRunRecord(config.data), feeder } };
    },
    async (open, before) => {
      const run = new Run(open, before);
      const complete = await run.go(interrupt.signal);
      open.progress.stop();
      open.log.info({ complete, ...open.application.status }, "run ended");
      return complete ? await run.finish() : interrupted;
    },
  );
}

/** One start: feeder and topologies side by side, watched. */
class Run {
  readonly #run: OpenRun;
  readonly #before: RunRecord;
  readonly #feeder: Feeder;
  readonly #watch: RunWatch;
  readonly #startedAt = performance.now();
  #sent = 0;
  #report: FeedReport | null = null;

  constructor(run: OpenRun, before: Before) {
    this.#run = run;
    this.#before = before.record;
    this.#feeder = before.feeder;
    const { from, to } = run.range;
    const status = () => run.application.status;
    this.#watch = new RunWatch(run, {
      peaks: before.record.peaks,
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
    const { application, range } = this.#run;
    this.#watch.start();
    const [feed, topologies] = await sideBySide(
      signal,
      (either) => this.#feed(either),
      (either) => application.run(either, range.to),
    );
    await this.#watch.stop();
    if (feed.status === "rejected") throw feed.reason;
    if (topologies.status === "rejected") throw topologies.reason;
    this.#report = feed.value;
    const complete = !signal.aborted && this.#report.complete;
    if (!complete) await this.#keepRecord().catch(() => {});
    return complete;
  }

  #feed(signal: AbortSignal): Promise<FeedReport> {
    const { plans, stack, member } = this.#run;
    return feedInTurn({
      broker: stack.broker,
      topologies: plans.map(({ name }) => name),
      instanceId: member,
      signal,
      feed: (either) => this.#feedOn(either),
    });
  }

  /** A feeder that is cut off by a server which is away is started again: it goes on there. */
  async #feedOn(signal: AbortSignal): Promise<FeedReport> {
    const { plans, stack, config } = this.#run;
    let before = this.#sent;
    const report = await retry(
      () => {
        before = this.#sent;
        return this.#feeder.replay({
          ...{ plans, stack, config, signal },
          onProgress: ({ sentNow }) => {
            this.#sent = before + sentNow;
          },
        });
      },
      { signal, mayPass: mayGoOn },
    );
    return { ...report, sentNow: before + report.sentNow };
  }

  /** Adds up, prints and writes the summary. */
  async finish(): Promise<RunEnd> {
    const { application, plans, stack, config, range, spec, print, addUp } = this.#run;
    const record = this.#record(range.to);
    await writeRunRecord(config.data, record);
    const events = Object.values(this.#report?.sent ?? {}).reduce((sum, sent) => sum + sent, 0);
    const facts = {
      range,
      eventsPerSecond: record.elapsedMs === 0 ? 0 : (events * 1000) / record.elapsedMs,
      maxRssBytes: peakOf(record.peaks, "all"),
      workerMaxRssBytes: workerPeaks(record.peaks),
    };
    const { summary, problems } = await addUp(() =>
      collectSummary(application.parts, stack, facts),
    );
    const own = spec.report({ plans, stack, config, fed: null });
    print(`\n${[summaryText(summary, problems), ...own].join("\n")}\n`);
    const text = `${JSON.stringify(summary, null, 2)}\n`;
    if (config.summary !== null) await writeFile(config.summary, text);
    return { outcome: summary.balanced === false ? "failed" : "done", summary, problems };
  }

  /** Time and memory so far, for the next start. */
  async #keepRecord(): Promise<void> {
    await writeRunRecord(this.#run.config.data, this.#record(this.#before.completedTo));
  }

  /** A start that found everything done adds nothing. */
  #record(completedTo: number | null): RunRecord {
    const sentNow = this.#report?.sentNow ?? this.#sent;
    if (this.#before.completedTo === this.#run.range.to && sentNow === 0) return this.#before;
    return {
      elapsedMs: this.#before.elapsedMs + (performance.now() - this.#startedAt),
      peaks: this.#watch.peaks,
      completedTo,
    };
  }
}
