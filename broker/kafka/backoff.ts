import { setTimeout as wait } from "node:timers/promises";

/** Waits between tries: each twice as long as the last, with jitter, until the limit is over. */
export class Backoff {
  readonly #deadline: number;
  readonly #mostMs: number;
  #nextMs: number;

  /** First wait `firstMs`, at most `mostMs`; `expired` after `limitMs`. */
  constructor(limitMs: number, firstMs = 10, mostMs = 500) {
    this.#deadline = performance.now() + limitMs;
    this.#nextMs = firstMs;
    this.#mostMs = mostMs;
  }

  get expired(): boolean {
    return performance.now() > this.#deadline;
  }

  async wait(): Promise<void> {
    const mostMs = this.#nextMs;
    this.#nextMs = Math.min(this.#mostMs, 2 * mostMs);
    await wait(mostMs / 2 + (Math.random() * mostMs) / 2);
  }
}
