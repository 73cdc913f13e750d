import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import { type Extremes, extremesOfTiles } from "./extremes.ts";
import { type OrderedValues, orderedValues } from "./ordered-values.ts";

/** The largest value; null without values. −0 counts as 0. */
export const max = {
  kind: "max",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("max", { field }, options),
  exact: () => ({
    ...orderedValues,
    finalize: (state: OrderedValues) => state.at(state.size - 1),
  }),
  tiled: () => ({ ...extremesOfTiles, finalize: (state: Extremes) => state.max }),
  naive: (values) => (values.length === 0 ? null : Math.max(...values) + 0),
  sql: ({ value, inside }) => `maxIf(${value}, ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
