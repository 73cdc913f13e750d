import { type AggregateKind, ofField } from "./aggregate.ts";
import { type Extremes, extremesOfTiles } from "./extremes.ts";
import { type OrderedValues, orderedValues } from "./ordered-values.ts";

/** The smallest value; null without values. −0 counts as 0. */
export const min = {
  kind: "min",
  input: "number",
  output: "number",
  define: <F extends string>(field: F) => ofField("min", field),
  exact: () => ({
    ...orderedValues,
    finalize: (state: OrderedValues) => state.at(0),
  }),
  tiled: () => ({ ...extremesOfTiles, finalize: (state: Extremes) => state.min }),
  naive: (values) => (values.length === 0 ? null : Math.min(...values) + 0),
  sql: ({ value, inside }) => `minIf(${value}, ${inside})`,
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;
