import type { Algebra } from "./algebra.ts";
import { type SumState, sumStateAlgebra } from "./sum-state.ts";

/**
 * Share of records for which a condition holds (1) among those for which it is known (1 or 0), in
 * [0, 1]; NaN where it is known for none.
 */
export const share: Algebra<SumState> = {
  ...sumStateAlgebra,
  finalize: (state) => state.mean(),
};
