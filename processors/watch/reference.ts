import type { ReferenceHistogram } from "../../schemas/payload.ts";

/** What a champion was trained on: histograms, and where their features stand in a vector. */
export class Reference {
  readonly version: string;
  readonly histograms: readonly ReferenceHistogram[];
  /** By histogram: its feature's index in the feature vector. */
  readonly #index: readonly number[];
  /** By histogram: where its counts start in a flat array of all of them. */
  readonly starts: readonly number[];
  /** Bins of all histograms. */
  readonly bins: number;

  /** Histograms of features that are not in `features` are left out. */
  constructor(
    version: string,
    histograms: readonly ReferenceHistogram[],
    features: readonly string[],
  ) {
    this.version = version;
    this.histograms = histograms.filter(({ feature }) => features.includes(feature));
    this.#index = this.histograms.map(({ feature }) => features.indexOf(feature));
    const starts: number[] = [];
    let bins = 0;
    for (const histogram of this.histograms) {
      starts.push(bins);
      bins += histogram.counts.length;
    }
    this.starts = starts;
    this.bins = bins;
  }

  /** Adds one feature vector to flat counts of {@link bins} bins. */
  count(vector: Float64Array, counts: Float64Array): void {
    for (let i = 0; i < this.histograms.length; i++) {
      const { edges } = this.histograms[i] as ReferenceHistogram;
      const value = vector[this.#index[i] as number] as number;
      const bin = (this.starts[i] as number) + binOf(value, edges);
      counts[bin] = (counts[bin] as number) + 1;
    }
  }
}

/**
 * Bin of a value: i with edges[i−1] ≤ value < edges[i]; the one behind the last for NaN (missing).
 */
export function binOf(value: number, edges: readonly number[]): number {
  if (Number.isNaN(value)) return edges.length + 1;
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((edges[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
