import { setTimeout as sleep } from "node:timers/promises";
import { recordsIn } from "../../runtime/engine/accounting.ts";
import { currentAuc } from "./current-auc.ts";
import { rssOf, withPeaks } from "./memory.ts";
import type { OpenRun } from "./open-run.ts";
import type { RunRecord } from "./run-record.ts";

/** Time between two looks at progress and memory, ms. */
const lookEveryMs = 500;
/** Looks between two queries of the AUC, and between two writings of the record. */
const looksPerQuery = 6;

export interface RunWatchOptions {
  /** Peaks of memory of earlier starts. */
  readonly peaks: RunRecord["peaks"];
  /** Share of the run that is done, 0 to 1; null: it has no end. */
  readonly share: () => number | null;
  /** Time until its end by the clock, ms. @default the clock does not end it */
  readonly leftMs?: () => number | null;
  /** What is going on, for people. */
  readonly phase: () => string;
  /** Writes down what the next start needs; losing it costs no more than a number. */
  readonly keep: () => Promise<void>;
}

type Watched = Pick<OpenRun, "application" | "plans" | "stack" | "progress">;

/**
 * Looks at a run now and then while it goes on: shows progress, measures memory. What cannot be
 * seen now is seen next time: looking never stops a run.
 */
export class RunWatch {
  readonly #run: Watched;
  readonly #options: RunWatchOptions;
  readonly #stop = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #peaks: RunRecord["peaks"];
  #auc: number | null = null;

  constructor(run: Watched, options: RunWatchOptions) {
    this.#run = run;
    this.#options = options;
    this.#peaks = options.peaks;
  }

  /** Highest memory so far, earlier starts included. */
  get peaks(): RunRecord["peaks"] {
    return this.#peaks;
  }

  start(): void {
    this.#watching = this.#watch(this.#stop.signal);
  }

  /** The last look ends first. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    for (let looks = 1; ; looks++) {
      await sleep(lookEveryMs, undefined, { signal }).catch(() => {});
      // A run may be over before the first look.
      if (signal.aborted) return await this.#measure().catch(() => {});
      await this.#look().catch(() => {});
      if (looks % looksPerQuery !== 0) continue;
      await this.#options.keep().catch(() => {});
      const { plans, stack } = this.#run;
      this.#auc = await currentAuc(plans, stack.offline).catch(() => this.#auc);
    }
  }

  async #look(): Promise<void> {
    const { application, progress } = this.#run;
    await this.#measure();
    progress.update({
      eventTime: application.status.taskProgress,
      share: this.#options.share(),
      leftMs: this.#options.leftMs?.() ?? null,
      records: recordsIn(application.accounts()),
      auc: this.#auc,
      phase: this.#options.phase(),
    });
  }

  async #measure(): Promise<void> {
    const { application, stack } = this.#run;
    const rss = await rssOf(application.pids, stack.pids());
    this.#peaks = withPeaks(this.#peaks, rss, (this.#options.share() ?? 0) < 0.5 ? 0 : 1);
  }
}
