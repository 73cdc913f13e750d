/** A pump rests ten times as long as it wrote, as long as its blocks do not get too old. */
const idleLengths = 10;
/** The oldest that a block gets by that, ms. */
const mostMs = 5_000;

/**
 * Age at which a block is written: where writing takes long, blocks are fewer and larger, so that a
 * store, or a machine, that is busy is asked less often. Of a sink that takes rows at once (age 0)
 * it stays 0.
 */
export class BlockAge {
  readonly #leastMs: number;
  #tookMs = 0;

  /** @param leastMs - age where writing takes next to no time, ms. */
  constructor(leastMs: number) {
    this.#leastMs = leastMs;
  }

  /** ms; between `leastMs` and five seconds, if those are more. */
  get ms(): number {
    if (this.#leastMs === 0) return 0;
    return Math.max(this.#leastMs, Math.min(mostMs, idleLengths * this.#tookMs));
  }

  /** @param tookMs - of the last writing, of all blocks that were due and of telling the group. */
  wrote(tookMs: number): void {
    this.#tookMs = tookMs;
  }
}
