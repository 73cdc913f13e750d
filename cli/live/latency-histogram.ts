/** Buckets between a power of two and the next: an answer is at most 1/32 too high. */
const steps = 32;
/** Longest latency that is told apart from longer ones, ms: 2^22, over an hour. */
const octaves = 22;

/** Latencies in ms, counted; memory is fixed, and two can be added. */
export class LatencyHistogram {
  readonly #counts: number[];
  #count = 0;
  #maxMs = 0;

  constructor(counts: readonly number[] = [], maxMs = 0) {
    this.#counts = Array.from({ length: steps * (octaves + 1) }, (_, i) => counts[i] ?? 0);
    this.#count = this.#counts.reduce((sum, each) => sum + each, 0);
    this.#maxMs = maxMs;
  }

  /** A clock that was set back gives 0. */
  add(latencyMs: number): void {
    const latency = Math.max(0, latencyMs);
    const bucket = bucketOf(latency);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    if (latency > this.#maxMs) this.#maxMs = latency;
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** The latency that a share of all did not exceed, at most 1/32 too high; null: none yet. */
  quantile(share: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (seen >= rank) return Math.min(this.#maxMs, endOf(bucket));
    }
    return this.#maxMs;
  }

  toJSON(): { readonly counts: readonly number[]; readonly maxMs: number } {
    const last = this.#counts.findLastIndex((count) => count > 0);
    return { counts: this.#counts.slice(0, last + 1), maxMs: this.#maxMs };
  }
}

/** One bucket a millisecond up to 32, then 32 to an octave. */
function bucketOf(latency: number): number {
  const whole = Math.floor(latency);
  if (whole < steps) return whole;
  const octave = Math.min(octaves, Math.floor(Math.log2(whole)) - 4);
  const width = 2 ** (octave - 1);
  return Math.min(steps * (octaves + 1) - 1, octave * steps + Math.floor(whole / width) - steps);
}

/** The highest whole latency of a bucket. */
function endOf(bucket: number): number {
  if (bucket < steps) return bucket;
  const octave = Math.floor(bucket / steps);
  const width = 2 ** (octave - 1);
  return ((bucket % steps) + steps + 1) * width - 1;
}
