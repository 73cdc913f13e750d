import type { Algebra } from "./algebra.ts";
import { type OrderedValues, orderedAlgebra } from "./ordered-values.ts";

/** The largest value; NaN without values. */
export const max: Algebra<OrderedValues> = {
  ...orderedAlgebra,
  finalize: (state) => state.at(state.size - 1),
};
