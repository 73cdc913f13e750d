import { chiSquaredQuantile } from "./chi-squared.ts";

/**
 * An empty bin counts as this many rows, so that a bin filled on one side only stays finite and a
 * small window is not alarmed by a bin that it misses by chance.
 */
export const emptyBinRows = 0.5;

/** Below this a shift is too small to matter, however sure one is of it (the usual convention). */
export const psiAlarmFloor = 0.25;

/** Confidence that a PSI above its bound is no accident. */
export const psiConfidence = 0.999;

/**
 * Population stability index of two histograms over the same bins: Σ (q − p) ln(q / p) over the
 * shares p of `reference` and q of `current`, an empty bin taken as {@link emptyBinRows}; bins that
 * are empty on both sides add nothing. 0 when equal; symmetric; ≥ 0. NaN when either has no rows.
 *
 * @see Yurdakul, Statistical properties of the population stability index, 2018
 */
export function psi(reference: ArrayLike<number>, current: ArrayLike<number>): number {
  const m = total(reference);
  const n = total(current);
  if (m === 0 || n === 0) return Number.NaN;
  let sum = 0;
  for (let bin = 0; bin < reference.length; bin++) {
    const there = reference[bin] as number;
    const here = current[bin] as number;
    if (there === 0 && here === 0) continue;
    const expected = Math.max(there, emptyBinRows) / m;
    const actual = Math.max(here, emptyBinRows) / n;
    sum += (actual - expected) * Math.log(actual / expected);
  }
  return sum;
}

/**
 * The PSI that samples of these sizes exceed by chance with probability 1 − confidence: under no
 * change PSI · nm / (n + m) follows χ²(B − 1), B being the bins that are filled on either side.
 *
 * @see Yurdakul 2018
 */
export function psiBound(
  reference: ArrayLike<number>,
  current: ArrayLike<number>,
  confidence: number = psiConfidence,
): number {
  const m = total(reference);
  const n = total(current);
  let bins = 0;
  for (let bin = 0; bin < reference.length; bin++) {
    if ((reference[bin] as number) > 0 || (current[bin] as number) > 0) bins++;
  }
  if (bins < 2 || m === 0 || n === 0) return 0;
  return (chiSquaredQuantile(confidence, bins - 1) * (n + m)) / (n * m);
}

/**
 * Whether a reference is too poor to judge by: its own sampling error alone may pass
 * {@link psiAlarmFloor}, so that a shift that matters could not be told from it.
 */
export function isPoorReference(counts: ArrayLike<number>): boolean {
  let bins = 0;
  for (let bin = 0; bin < counts.length; bin++) if ((counts[bin] as number) > 0) bins++;
  const limit = chiSquaredQuantile(psiConfidence, Math.max(1, bins - 1));
  return !(limit / total(counts) <= psiAlarmFloor);
}

function total(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i] as number;
  return sum;
}
