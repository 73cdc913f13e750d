import type { Algebra } from "./algebra.ts";
import { type OrderedValues, orderedAlgebra } from "./ordered-values.ts";

/**
 * The smallest value v such that at least `probability` of the values are ≤ v (the inverse of the
 * empirical distribution function): always one of the values; NaN without values.
 *
 * @param probability - in (0, 1).
 * @see Hyndman and Fan, Sample Quantiles in Statistical Packages (1996), definition 1.
 */
export function quantile(probability: number): Algebra<OrderedValues> {
  return {
    ...orderedAlgebra,
    finalize: (state) => state.at(quantileRank(probability, state.size)),
  };
}

/** Rank from 0; `probability` × `size` is taken as whole when only rounding keeps it from it. */
export function quantileRank(probability: number, size: number): number {
  const rank = Math.ceil(probability * size - size * 2 ** -52);
  return Math.min(Math.max(rank, 1), size) - 1;
}
