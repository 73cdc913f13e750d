import { seededRandom } from "./seeded-random.ts";

/** Resamples of the holdout. */
export const bootstrapResamples = 1_000;

/**
 * One-sided 99 % lower bound of the challenger's gain in AUC over the champion: the 1st percentile
 * of the gain over resamples of the same rows (paired). A resample without both classes counts as a
 * gain of −1. Deterministic for a seed.
 *
 * Cost: each model's rows are sorted once; a resample is a pass over row multiplicities.
 *
 * @see Efron and Tibshirani, An Introduction to the Bootstrap, 1993
 */
export function gainLowerBound(
  labels: Uint8Array,
  challenger: Float64Array,
  champion: Float64Array,
  seed: string,
  resamples: number = bootstrapResamples,
): number {
  const n = labels.length;
  const random = seededRandom(seed);
  const byChallenger = rankRows(challenger, labels);
  const byChampion = rankRows(champion, labels);
  const times = new Uint32Array(n);
  const gains = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    times.fill(0);
    for (let i = 0; i < n; i++) {
      const row = random(n);
      times[row] = (times[row] as number) + 1;
    }
    const gain = weightedAuc(byChallenger, times) - weightedAuc(byChampion, times);
    gains[resample] = Number.isNaN(gain) ? -1 : gain;
  }
  gains.sort();
  return gains[Math.max(0, Math.ceil(resamples * 0.01) - 1)] as number;
}

interface RankedRows {
  /** Rows by rising score. */
  readonly order: Uint32Array;
  /** By position in `order`: whether a new score begins. */
  readonly fresh: Uint8Array;
  /** By position in `order`. */
  readonly labels: Uint8Array;
}

function rankRows(scores: Float64Array, labels: Uint8Array): RankedRows {
  const order = Uint32Array.from(scores, (_, row) => row);
  order.sort((a, b) => (scores[a] as number) - (scores[b] as number) || a - b);
  const fresh = new Uint8Array(order.length);
  for (let i = 0; i < order.length; i++) {
    const same = i > 0 && scores[order[i] as number] === scores[order[i - 1] as number];
    fresh[i] = same ? 0 : 1;
  }
  return { order, fresh, labels: Uint8Array.from(order, (row) => labels[row] as number) };
}

/** AUC of rows taken `times` each; ties count half. Exact below 94 million rows. */
function weightedAuc({ order, fresh, labels }: RankedRows, times: Uint32Array): number {
  let negativesBelow = 0;
  let negativesHere = 0;
  let positivesHere = 0;
  let positives = 0;
  let twiceWon = 0;
  for (let i = 0; i < order.length; i++) {
    if (fresh[i] === 1) {
      twiceWon += positivesHere * (2 * negativesBelow + negativesHere);
      positives += positivesHere;
      negativesBelow += negativesHere;
      positivesHere = 0;
      negativesHere = 0;
    }
    const weight = times[order[i] as number] as number;
    if (labels[i] === 1) positivesHere += weight;
    else negativesHere += weight;
  }
  twiceWon += positivesHere * (2 * negativesBelow + negativesHere);
  positives += positivesHere;
  negativesBelow += negativesHere;
  return twiceWon / 2 / (positives * negativesBelow);
}
