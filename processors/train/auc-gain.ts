import { chiSquaredQuantile } from "../drift/chi-squared.ts";

/** What two models of the same rows differ by. */
export interface AucGain {
  /** AUC of the challenger minus that of the champion. */
  readonly gain: number;
  /** Of the gain, rows being paired; NaN where a class has less than two rows. */
  readonly standardError: number;
}

/**
 * The gain in AUC of one model over another on the same rows, with its standard error: exact, no
 * resampling, no seed. Cost: one sort a model.
 *
 * @param labels - 1 or 0 a row, both present.
 * @see DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver
 * operating characteristic curves, 1988
 */
export function aucGain(
  labels: Uint8Array,
  challenger: Float64Array,
  champion: Float64Array,
): AucGain {
  const ours = placements(labels, challenger);
  const theirs = placements(labels, champion);
  const differences = ours.map((placement, row) => placement - (theirs[row] as number));
  const positive = moments(differences, labels, 1);
  const negative = moments(differences, labels, 0);
  const variance = positive.variance / positive.n + negative.variance / negative.n;
  return { gain: positive.mean, standardError: Math.sqrt(variance) };
}

/**
 * Lower bound of a gain, one-sided: below the true gain with probability 1 − level.
 *
 * @param level - in (0, 0.5).
 */
export function lowerBound({ gain, standardError }: AucGain, level: number): number {
  return gain - Math.sqrt(chiSquaredQuantile(1 - 2 * level, 1)) * standardError;
}

/**
 * By row the share of the other class that it stands right to: of a positive, negatives that score
 * less; of a negative, positives that score more; equal scores count half. The mean over either
 * class is the AUC.
 */
function placements(labels: Uint8Array, scores: Float64Array): Float64Array {
  const n = scores.length;
  const order = Uint32Array.from(scores, (_, row) => row);
  order.sort((a, b) => (scores[a] as number) - (scores[b] as number));
  let positives = 0;
  for (const label of labels) positives += label;
  const placed = new Float64Array(n);
  const below = [0, 0];
  for (let from = 0, to = 0; from < n; from = to) {
    const score = scores[order[from] as number];
    const here = [0, 0];
    for (to = from; to < n && scores[order[to] as number] === score; to++) {
      const label = labels[order[to] as number] as 0 | 1;
      here[label] = (here[label] as number) + 1;
    }
    const won = (below[0] as number) + (here[0] as number) / 2;
    const lost = (below[1] as number) + (here[1] as number) / 2;
    for (let at = from; at < to; at++) {
      const row = order[at] as number;
      placed[row] = labels[row] === 1 ? won / (n - positives) : (positives - lost) / positives;
    }
    below[0] = (below[0] as number) + (here[0] as number);
    below[1] = (below[1] as number) + (here[1] as number);
  }
  return placed;
}

function moments(values: Float64Array, labels: Uint8Array, label: number) {
  let n = 0;
  let sum = 0;
  for (let row = 0; row < values.length; row++) {
    if (labels[row] !== label) continue;
    n++;
    sum += values[row] as number;
  }
  const mean = sum / n;
  let squares = 0;
  for (let row = 0; row < values.length; row++) {
    if (labels[row] === label) squares += ((values[row] as number) - mean) ** 2;
  }
  return { n, mean, variance: squares / (n - 1) };
}
