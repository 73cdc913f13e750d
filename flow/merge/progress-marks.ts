/** Marks kept a channel; beyond it every second one is forgotten. */
const marksLimit = 256;

/**
 * The progress that one channel announced, by offset: answers what it was as of an offset that only
 * moves on. Forgetting a mark between two others is safe: the later one is either reached too, or
 * read again after a restart.
 */
export class ProgressMarks {
  /** Progress as of the offset of the last `advanceTo`. */
  reached = Number.NEGATIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  readonly #offsets: number[] = [];
  readonly #progress: number[] = [];

  /** Offsets ascend; progress that an earlier offset announced is no news. */
  push(offset: number, progress: number): void {
    if (progress <= this.#last) return;
    this.#last = progress;
    this.#offsets.push(offset);
    this.#progress.push(progress);
    if (this.#offsets.length <= marksLimit) return;
    let kept = 0;
    for (let i = 1; i < this.#offsets.length; i++) {
      if (i % 2 === 0 && i < this.#offsets.length - 1) continue;
      this.#offsets[kept] = this.#offsets[i] as number;
      this.#progress[kept++] = this.#progress[i] as number;
    }
    this.#offsets.length = kept;
    this.#progress.length = kept;
  }

  /** Takes in the marks below the offset. */
  advanceTo(offset: number): void {
    let taken = 0;
    while (taken < this.#offsets.length && (this.#offsets[taken] as number) < offset) {
      this.reached = this.#progress[taken++] as number;
    }
    if (taken === 0) return;
    this.#offsets.splice(0, taken);
    this.#progress.splice(0, taken);
  }

  restart(progress: number): void {
    this.reached = progress;
    this.#last = progress;
    this.#offsets.length = 0;
    this.#progress.length = 0;
  }
}
