import type { Broker, OffsetToCommit } from "../../broker/broker.ts";
import { policyOf } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import { batchLimits, CommitBatches } from "./commit-batches.ts";
import { placeText } from "./group-progress.ts";
import type { Membership } from "./membership.ts";
import type { MergeTask } from "./merge-task.ts";
import { purgeable } from "./purge.ts";
import type { SourceTask } from "./source-task.ts";
import { type FirstOffsets, writeAtLeastOnce, writeTransaction } from "./transaction.ts";

export interface CommitReport {
  readonly records: number;
  readonly bytes: number;
  readonly tasks: number;
  readonly durationMs: number;
}

export interface CommitOptions {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly intervalMs: number;
  /** Called after each commit. */
  readonly onCommit: (commit: CommitReport) => void;
  /** Called when a commit has ended, either way. */
  readonly tell: () => void;
}

const purgeIntervalMs = 5_000;

/**
 * Commits what the tasks of a process have to say, all together in one transaction, one after the
 * other. The tasks go on while one is written; whether it stands is known before the next begins.
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
  #lastPurge = 0;
  /** When a task was last part of a commit. */
  readonly #collectedAt = new WeakMap<MergeTask | SourceTask, number>();

  constructor(options: CommitOptions, membership: Membership) {
    const { plan } = options;
    this.#options = options;
    this.#membership = membership;
    this.#batches = new CommitBatches(batchLimits(plan));
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
    return performance.now() - since >= this.#options.intervalMs;
  }

  /** Begins a commit of all that is new, when it is due and none is under way. */
  beginIfDue(tasks: readonly (MergeTask | SourceTask)[], idle: boolean): boolean {
    const now = performance.now();
    // After a failed one nothing may be committed that was built upon it.
    if (!this.quiet) return false;
    if (!idle && now - this.#lastCommit < this.#options.intervalMs) return false;
    const dirty = tasks.filter((task) => task.dirty);
    this.#lastCommit = now;
    if (dirty.length === 0) return false;
    const batches = this.#batches;
    batches.clear();
    const offsets: OffsetToCommit[] = dirty.map((task) => {
      this.#collectedAt.set(task, now);
      return { ...task.collect(batches), metadata: placeText(task) };
    });
    this.#commit = this.#write(batches, offsets)
      .then((first) => {
        for (const task of dirty) task.committed((topic, n) => first.get(`${topic}/${n}`));
        this.#membership.committed();
        const { records, bytes } = batches;
        const durationMs = performance.now() - now;
        this.#options.onCommit({ records, bytes, tasks: dirty.length, durationMs });
        return this.#purgeIfDue(tasks, now);
      })
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#commit = null;
        this.#options.tell();
      });
    return true;
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
