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
  const positives = scores.filter((_, row) => labels[row] === 1).sort();
  const negatives = scores.filter((_, row) => labels[row] !== 1).sort();
  return scores.map((score, row) => {
    const isPositive = labels[row] === 1;
    const others = isPositive ? negatives : positives;
    const below = countOf(others, (other) => other < score);
    const equal = countOf(others, (other) => other <= score) - below;
    const won = below + equal / 2;
    return (isPositive ? won : others.length - won) / others.length;
  });
}

/** Where sorted values stop to pass. */
function countOf(sorted: Float64Array, passes: (value: number) => boolean): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (passes(sorted[middle] as number)) from = middle + 1;
    else to = middle;
  }
  return from;
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
