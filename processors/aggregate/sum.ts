import type { Algebra } from "./algebra.ts";
import { type SumState, sumStateAlgebra } from "./sum-state.ts";

/** Sum of the values, rounded once from the exact sum; NaN without values. */
export const sum: Algebra<SumState> = {
  ...sumStateAlgebra,
  finalize: (state) => (state.values === 0 ? Number.NaN : state.sum.round()),
};
