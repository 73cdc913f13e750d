import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import type { Broker, OffsetToCommit } from "../../broker/broker.ts";
import { policyOf } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { batchLimits, CommitBatches, type HandOver } from "./commit-batches.ts";
import { placeText } from "./group-progress.ts";
import type { Membership } from "./membership.ts";
import { MergeTask } from "./merge-task.ts";
import { purgeable } from "./purge.ts";
import type { SourceTask } from "./source-task.ts";
import { type FirstOffsets, writeAtLeastOnce, writeTransaction } from "./transaction.ts";

export interface CommitReport {
  readonly records: number;
  readonly bytes: number;
  readonly tasks: number;
  readonly durationMs: number;
}

/** How a record passes all tasks of a process in one commit. Exactly once alone. */
export interface WithinProcess {
  /** Gives a frame of the commit to its reader, if that is a task of this process. */
  readonly handOver: HandOver;
  /**
   * Lets a task go on with what tasks before it have handed over. Resolves when work that it began
   * is done; null: it began none that is soon done.
   */
  readonly goOn: (task: MergeTask) => Promise<void> | null;
  /** How long the last work of a task took, ms. */
  readonly workMs: (task: MergeTask) => number;
}

export interface CommitOptions {
  readonly plan: Plan;
  readonly broker: Broker;
  /** Time between the beginnings of two commits while there is more to do, ms. */
  readonly intervalMs: number;
  /**
   * Whether it is shorter where commits are: a commit is under way half of the time at most. What
   * waits is committed sooner, by more commits.
   */
  readonly prompt: boolean;
  /** Called after each commit. */
  readonly onCommit: (commit: CommitReport) => void;
  /** Null: what tasks send each other is read from the log, a commit later. */
  readonly within: WithinProcess | null;
  /** Called when a commit has ended, either way. */
  readonly tell: () => void;
}

const purgeIntervalMs = 5_000;

/** From the beginning of a prompt commit to that of the next, in lengths of the first. */
const promptLengths = 2;
/** And at least, ms: of many small commits what they write costs more than what waits is worth. */
const promptLeastMs = 50;

/** A commit waits so long for work that its tasks have begun on the way, ms. */
const workMs = 10;

/** What a commit holds. */
interface Gathered {
  readonly offsets: Map<MergeTask | SourceTask, OffsetToCommit>;
  /** Work that was begun on the way; null: it is waited for no more. */
  work: Promise<void>[] | null;
}

/**
 * Commits what the tasks of a process have to say, all together in one transaction, one after the
 * other. The tasks go on while one is written; whether it stands is known before the next begins.
 *
 * {@link WithinProcess}: what a task sends to another one of the process is handed over as it is
 * gathered, and the reader goes on with it before it is gathered itself, so that a record passes
 * all of them in one commit. Nobody commits what follows from a frame before the frame.
 */
export class CommitPipeline {
  readonly #options: CommitOptions;
  readonly #membership: Membership;
  readonly #batches: CommitBatches;
  readonly #changelogs: ReadonlySet<string>;
  /** The commit that is under way; it never rejects. */
  #commit: Promise<void> | null = null;
  #failure: unknown = null;
  #lastCommit = 0;
  /** How long the last commit took, ms. */
  #lastMs = Number.POSITIVE_INFINITY;
  #lastPurge = 0;
  /** When a task was last part of a commit. */
  readonly #collectedAt = new WeakMap<MergeTask | SourceTask, number>();

  constructor(options: CommitOptions, membership: Membership) {
    const { plan } = options;
    this.#options = options;
    this.#membership = membership;
    this.#batches = new CommitBatches(batchLimits(plan), options.within?.handOver);
    this.#changelogs = new Set(plan.subtopologies.map(({ changelog }) => changelog));
  }

  /** Nothing is under way, and nothing has failed. */
  get quiet(): boolean {
    return this.#commit === null && this.#failure === null;
  }

  /** What a commit has failed with: nothing more is committed until {@link restart}. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Resolves when no commit is under way. */
  async ended(): Promise<void> {
    await this.#commit;
  }

  /** Whether what has been handed over until now is committed, once that is known. */
  async stands(): Promise<boolean> {
    await nextTurn();
    await this.#commit;
    return this.#failure === null;
  }

  /** The tasks are made anew: what a commit has failed with is over. */
  restart(): void {
    this.#failure = null;
    this.#lastCommit = performance.now();
  }

  /**
   * Whether a task has to be committed before it takes more: while it waits for work outside it
   * cannot be, and one that always has more to do would never be.
   */
  isOverdue(task: MergeTask): boolean {
    if (task.processor.takeWork === undefined || !task.dirty) return false;
    const since = this.#collectedAt.get(task) ?? Number.NEGATIVE_INFINITY;
    return performance.now() - since >= this.#intervalMs;
  }

  get #intervalMs(): number {
    const { intervalMs, prompt } = this.#options;
    if (!prompt) return intervalMs;
    return Math.min(intervalMs, Math.max(promptLeastMs, promptLengths * this.#lastMs));
  }

  /** Begins a commit of all that is new, when it is due and none is under way. */
  beginIfDue(tasks: readonly (MergeTask | SourceTask)[], idle: boolean): boolean {
    const now = performance.now();
    // After a failed one nothing may be committed that was built upon it.
    if (!this.quiet) return false;
    if (!idle && now - this.#lastCommit < this.#intervalMs) return false;
    this.#lastCommit = now;
    if (!tasks.some((task) => task.dirty)) return false;
    this.#batches.clear();
    const gathered: Gathered = { offsets: new Map(), work: [] };
    this.#gather(tasks, gathered);
    this.#commit = this.#finish(tasks, gathered, now)
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#commit = null;
        this.#options.tell();
      });
    return true;
  }

  /**
   * Gathers what tasks have to say that are not in the commit yet, each after those whose frames it
   * reads: a plan has them in this order.
   */
  #gather(tasks: readonly (MergeTask | SourceTask)[], { offsets, work }: Gathered): void {
    const { within } = this.#options;
    const now = performance.now();
    for (const task of tasks) {
      if (offsets.has(task)) continue;
      if (within !== null && task instanceof MergeTask && !this.#comesFirst(task, within, work)) {
        const begun = within.goOn(task);
        if (begun !== null) work?.push(begun);
      }
      if (!task.dirty) continue;
      this.#collectedAt.set(task, now);
      const { topic, partition, offset } = task.collect(this.#batches);
      offsets.set(task, { topic, partition, offset, metadata: placeText(task) });
    }
  }

  /**
   * Whether what a task has to say already is committed before it goes on: while it waits for work
   * outside it cannot be, and that may be long.
   */
  #comesFirst(task: MergeTask, within: WithinProcess, work: Gathered["work"]): boolean {
    if (task.processor.takeWork === undefined || !task.hasResults) return false;
    return work === null || within.workMs(task) > workMs || this.isOverdue(task);
  }

  /** Writes a commit, with what comes of work that was begun on the way if that comes soon. */
  async #finish(
    tasks: readonly (MergeTask | SourceTask)[],
    gathered: Gathered,
    begunAt: number,
  ): Promise<void> {
    const { work } = gathered;
    if (work !== null && work.length > 0) {
      const over = new AbortController();
      const { signal } = over;
      await Promise.race([Promise.all(work), sleep(workMs, undefined, { signal })]);
      over.abort();
      gathered.work = null;
      this.#gather(tasks, gathered);
    }
    const batches = this.#batches;
    const first = await this.#write(batches, [...gathered.offsets.values()]);
    const committed = [...gathered.offsets.keys()];
    for (const task of committed) task.committed((topic, n) => first.get(`${topic}/${n}`));
    this.#membership.committed();
    const { records, bytes } = batches;
    const durationMs = performance.now() - begunAt;
    this.#lastMs = durationMs;
    this.#options.onCommit({ records, bytes, tasks: committed.length, durationMs });
    await this.#purgeIfDue(tasks, begunAt);
  }

  #write(batches: CommitBatches, offsets: readonly OffsetToCommit[]): Promise<FirstOffsets> {
    const { broker, plan } = this.#options;
    const { identity, producer } = this.#membership;
    if (plan.guarantee === "exactly-once") {
      return writeTransaction(producer, batches, plan.name, offsets, identity);
    }
    const isChangelog = (topic: string) => this.#changelogs.has(topic);
    return writeAtLeastOnce(broker, producer, batches, isChangelog, plan.name, offsets, identity);
  }

  /** Removes what every reader has passed: inbox records, and changelogs below a snapshot. */
  async #purgeIfDue(tasks: readonly (MergeTask | SourceTask)[], now: number): Promise<void> {
    if (now - this.#lastPurge < purgeIntervalMs) return;
    this.#lastPurge = now;
    const purge = purgeable(tasks);
    if (purge.length === 0) return;
    await this.#options.broker.deleteRecords(purge).catch((error: unknown) => {
      // What stands too long costs room alone; the next purge takes it, too.
      if (policyOf(error) !== "retry") throw error;
    });
  }
}
