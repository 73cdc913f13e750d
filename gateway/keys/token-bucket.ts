/** How often each of some users may ask: so many times a second, and a burst after a rest. */
export class TokenBuckets {
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  readonly #now: () => number;

  /** @param now - ms, of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Takes one; else the seconds until there is one again. */
  take(user: string, rate: number, burst: number): number | null {
    const now = this.#now();
    const bucket = this.#buckets.get(user) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * rate) / 1_000);
    const isThere = tokens >= 1;
    this.#buckets.set(user, { tokens: isThere ? tokens - 1 : tokens, at: now });
    return isThere ? null : (1 - tokens) / rate;
  }
}
