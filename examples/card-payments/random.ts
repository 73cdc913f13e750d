/** Draws that are the same ones for a seed. */
export class Random {
  #state: number;

  /** @param seed - whole number from 0, below 2³². */
  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** In [0, 1) (mulberry32). */
  uniform(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** A whole number from 0, below the bound. */
  below(bound: number): number {
    return Math.floor(bound * this.uniform());
  }

  /** Box and Muller. */
  normal(mean: number, deviation: number): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return mean + deviation * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** Knuth; the mean is small. */
  poisson(mean: number): number {
    const end = Math.exp(-mean);
    let count = 0;
    for (let product = this.uniform(); product > end; product *= this.uniform()) count += 1;
    return count;
  }
}
