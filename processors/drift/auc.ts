/**
 * Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.
 * Exact: twice the number of won pairs is an integer below 2^53 up to 67 million rows of each
 * class. Sorts both arrays in place. NaN when either class is empty.
 *
 * @see Mann and Whitney, On a test of whether one of two random variables is stochastically larger
 */
export function areaUnderRoc(positives: Float64Array, negatives: Float64Array): number {
  const p = positives.length;
  const n = negatives.length;
  if (p === 0 || n === 0) return Number.NaN;
  positives.sort();
  negatives.sort();
  let below = 0;
  let notAbove = 0;
  let twiceWon = 0;
  for (let i = 0; i < p; i++) {
    const score = positives[i] as number;
    while (below < n && (negatives[below] as number) < score) below++;
    while (notAbove < n && (negatives[notAbove] as number) <= score) notAbove++;
    twiceWon += below + notAbove;
  }
  return twiceWon / 2 / (p * n);
}

/** AUC of scores against labels (1 positive, 0 negative) that stand row by row. */
export function areaUnderRocOf(scores: ArrayLike<number>, labels: ArrayLike<number>): number {
  let count = 0;
  for (let i = 0; i < scores.length; i++) if (labels[i] === 1) count++;
  const positives = new Float64Array(count);
  const negatives = new Float64Array(scores.length - count);
  let p = 0;
  let n = 0;
  for (let i = 0; i < scores.length; i++) {
    if (labels[i] === 1) positives[p++] = scores[i] as number;
    else negatives[n++] = scores[i] as number;
  }
  return areaUnderRoc(positives, negatives);
}
