import type { Algebra } from "./algebra.ts";
import { type OrderedValues, orderedAlgebra } from "./ordered-values.ts";

/** The smallest value; NaN without values. */
export const min: Algebra<OrderedValues> = {
  ...orderedAlgebra,
  finalize: (state) => state.at(0),
};
