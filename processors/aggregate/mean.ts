import type { Algebra } from "./algebra.ts";
import { type SumState, sumStateAlgebra } from "./sum-state.ts";

/** The rounded exact sum divided by the number of values; NaN without values. */
export const mean: Algebra<SumState> = {
  ...sumStateAlgebra,
  finalize: (state) => state.mean(),
};
