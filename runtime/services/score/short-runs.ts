/** Runs by which a model is judged: the least of them is what it takes, the rest is waiting. */
const runsSeen = 16;
/** Artifacts that are known at a time. */
const maxKnown = 16;

interface Seen {
  runs: number;
  /** Of the shortest run, ms a row. */
  leastMs: number;
}

/**
 * Which batches take a model so little that handing them to another thread would cost more. A model
 * is judged by its last runs: who knows too few of them says no.
 */
export class ShortRuns {
  readonly #mostMs: number;
  /** By artifact, the least recently used first. */
  readonly #seen = new Map<string, Seen>();

  /** @param mostMs - of a batch that is short; 0: none is. */
  constructor(mostMs: number) {
    this.#mostMs = mostMs;
  }

  isShort(artifact: string, rows: number): boolean {
    const seen = this.#seen.get(artifact);
    return seen !== undefined && seen.runs >= runsSeen && seen.leastMs * rows <= this.#mostMs;
  }

  /** A batch took its thread so long, with what it waited for a processor. */
  took(artifact: string, rows: number, ms: number): void {
    if (this.#mostMs === 0) return;
    const seen = this.#seen.get(artifact) ?? { runs: 0, leastMs: Number.POSITIVE_INFINITY };
    this.#seen.delete(artifact);
    this.#seen.set(artifact, seen);
    seen.runs++;
    seen.leastMs = Math.min(seen.leastMs, ms / rows);
    for (const [oldest] of this.#seen) {
      if (this.#seen.size <= maxKnown) break;
      this.#seen.delete(oldest);
    }
  }

  /** Some rows take it long: it has to show anew what it takes. */
  forget(artifact: string): void {
    this.#seen.delete(artifact);
  }
}
