/** A time in which something could not answer, UTC ms. */
export interface Outage {
  readonly from: number;
  readonly to: number;
}

/** What was seen of the latencies, apart from outages. */
export interface Waits {
  readonly predictions: number;
  /** Longest time from event to prediction that was no outage, ms. */
  readonly mostMs: number;
  /** Predictions that took longer than the limit besides outages. */
  readonly beyond: number;
}

/** Latencies of predictions less what of each was an outage. */
export function waitsBeside(
  seen: readonly (readonly [eventTime: number, seenAt: number])[],
  outages: readonly Outage[],
  limitMs: number,
): Waits {
  let [mostMs, beyond] = [0, 0];
  for (const [eventTime, seenAt] of seen) {
    const waited = seenAt - eventTime - covered(eventTime, seenAt, outages);
    if (waited > mostMs) mostMs = waited;
    if (waited > limitMs) beyond++;
  }
  return { predictions: seen.length, mostMs, beyond };
}

/** How much of a time lies in outages; those that overlap count once. */
function covered(from: number, to: number, outages: readonly Outage[]): number {
  let sum = 0;
  let at = from;
  for (const outage of [...outages].sort((a, b) => a.from - b.from)) {
    const start = Math.max(at, outage.from);
    const end = Math.min(to, outage.to);
    if (end <= start) continue;
    sum += end - start;
    at = end;
  }
  return sum;
}
