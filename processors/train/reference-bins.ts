/** Bins that an even distribution gets, those beyond its range apart. */
const evenBins = 10;

/**
 * Edges of the bins that the present values of a feature are counted in, ascending and finite:
 *
 * - all that lies below the least training value, and above the greatest, is a bin of its own;
 * - a value that a tenth of the rows or more share is a bin of its own;
 * - what is left is cut into parts of about a tenth of the rows, in the gaps between values.
 *
 * So each change of a constant, a frequent value or the range is a change of bins. The mirror image
 * of the values has the mirror image of the bins. Infinite values, and the greatest doubles, lie
 * beyond the range.
 *
 * @param sorted - ascending, no NaN.
 */
export function binEdges(sorted: Float64Array): number[] {
  const values = finiteOf(sorted);
  const n = values.length;
  if (n === 0) return sorted.length === 0 ? [] : [nextUp(-Number.MAX_VALUE), Number.MAX_VALUE];
  const edges = new Set([values[0] as number, nextUp(values[n - 1] as number)]);
  let lightFrom = 0;
  for (let from = 0, to = 0; from < n; from = to) {
    const value = values[from] as number;
    for (to = from + 1; to < n && values[to] === value; ) to++;
    if ((to - from) * evenBins < n) continue;
    cutEvenly(values, lightFrom, from, edges);
    edges.add(value);
    edges.add(nextUp(value));
    lightFrom = to;
  }
  cutEvenly(values, lightFrom, n, edges);
  return [...edges].sort((a, b) => a - b);
}

/**
 * Cuts rows `[from, to)` into parts of about a tenth of all, each cut in the gap between values
 * that is nearest to where it should be; in both of two that are equally near.
 */
function cutEvenly(values: Float64Array, from: number, to: number, edges: Set<number>): void {
  const rows = to - from;
  const parts = Math.round((rows * evenBins) / values.length);
  const cut = (at: number) => {
    if (at > from && at < to) edges.add(between(values[at - 1] as number, values[at] as number));
  };
  const isGap = (at: number) => at === from || at === to || values[at - 1] !== values[at];
  for (let part = 1; part < parts; part++) {
    let low = from + Math.floor((rows * part) / parts);
    let high = from + Math.ceil((rows * part) / parts);
    while (!isGap(low)) low--;
    while (!isGap(high)) high++;
    const below = rows * part - parts * (low - from);
    const above = parts * (high - from) - rows * part;
    if (below <= above) cut(low);
    if (above <= below) cut(high);
  }
}

/** The values that have doubles on both sides. */
function finiteOf(sorted: Float64Array): Float64Array {
  let from = 0;
  let to = sorted.length;
  while (from < to && (sorted[from] as number) <= -Number.MAX_VALUE) from++;
  while (to > from && (sorted[to - 1] as number) >= Number.MAX_VALUE) to--;
  return sorted.subarray(from, to);
}

/** An edge with `low` below it and `high` not. */
function between(low: number, high: number): number {
  const middle = low / 2 + high / 2;
  return middle > low ? middle : high;
}

/** The least double above a finite one. */
function nextUp(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  const bits = new BigInt64Array(Float64Array.of(value).buffer);
  bits[0] = (bits[0] as bigint) + (value > 0 ? 1n : -1n);
  return new Float64Array(bits.buffer)[0] as number;
}
