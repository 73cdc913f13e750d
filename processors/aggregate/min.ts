import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import { type Extremes, extremesOfTiles } from "./extremes.ts";
import { type OrderedValues, orderedValues } from "./ordered-values.ts";

/** The smallest value; null without values. −0 counts as 0. */
export const min = {
  kind: "min",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("min", { field }, options),
  exact: () => ({
    ...orderedValues,
    finalize: (state: OrderedValues) => state.at(0),
  }),
  tiled: () => ({ ...extremesOfTiles, finalize: (state: Extremes) => state.min }),
  naive: (values) => (values.length === 0 ? null : Math.min(...values) + 0),
  sql: ({ value, inside }) => `minIf(${value}, ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
