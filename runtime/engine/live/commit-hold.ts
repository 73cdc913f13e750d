import type { SourceTask } from "../source-task.ts";
import type { IdleAdvance } from "./idle-advance.ts";

/** How long a commit waits for one look at most, ms: a broker that is slow holds up no commit. */
const holdMs = 25;

/**
 * Live mode: a commit that may begin waits for one look at the ends of the sources where a task
 * needs it. What has come is then answered by the commit that holds it, and not by a later one.
 */
export class CommitHold {
  readonly #idle: IdleAdvance;
  /** What the next commit waits for, an event time, and since when. */
  #held: { readonly need: number; readonly at: number } | null = null;

  constructor(idle: IdleAdvance) {
    this.#idle = idle;
  }

  /**
   * Advances the sources by the last look. Returns whether the commit that may begin now waits for
   * another.
   *
   * @param needs - event times that tasks, of whatever process, need all sources to pass.
   * @param mayCommit - whether a commit may begin.
   */
  step(tasks: readonly SourceTask[], needs: readonly number[], mayCommit: boolean): boolean {
    const waits = mayCommit && this.#waits(tasks, needs);
    this.#idle.step(tasks, needs, waits);
    return waits;
  }

  /** A commit has begun: the next one waits for a look of its own. */
  begun(): void {
    this.#held = null;
  }

  /** No timer is left behind. */
  stop(): void {
    this.#idle.stop();
  }

  #waits(tasks: readonly SourceTask[], needs: readonly number[]): boolean {
    if (this.#held === null) {
      const need = this.#idle.latestNeed(tasks, needs);
      if (need === null) return false;
      this.#held = { need, at: performance.now() };
    }
    const { need, at } = this.#held;
    const leftMs = at + holdMs - performance.now();
    if (this.#idle.lookedAt > need || leftMs <= 0) return false;
    // Nothing else may tell: the look may hang, and no records come.
    this.#idle.tellIn(leftMs);
    return true;
  }
}
