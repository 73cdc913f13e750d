import { MergeTask } from "./merge-task.ts";
import type { SourceTask } from "./source-task.ts";

/** Time between two readings of what is known, ms. */
const knownEveryMs = 1_000;

/**
 * Which partitions a process reads. Where all that comes to an inbox has been handed over, it is
 * read now and then: for its place in the log, which a restart begins at, and no record waits for
 * that.
 */
export class KnownInboxes {
  readonly #readAt = new WeakMap<MergeTask, number>();

  /** A fetch has brought something of its partition. */
  read(task: MergeTask | SourceTask | undefined): void {
    if (task instanceof MergeTask) this.#readAt.set(task, performance.now());
  }

  /** @param isOnlyWriter - whether tasks of this process alone write to its inboxes. */
  toRead(
    tasks: readonly (MergeTask | SourceTask)[],
    isOnlyWriter: boolean,
  ): readonly (MergeTask | SourceTask)[] {
    return isOnlyWriter ? tasks.filter((task) => this.#isRead(task)) : tasks;
  }

  #isRead(task: MergeTask | SourceTask): boolean {
    if (!(task instanceof MergeTask) || task.isBehindReading) return true;
    return performance.now() - (this.#readAt.get(task) ?? 0) >= knownEveryMs;
  }
}
