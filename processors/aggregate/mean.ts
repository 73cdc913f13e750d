import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import { meanOf, type SumState, sumState } from "./sum-state.ts";

const finalize = (state: SumState) => state.mean();

/**
 * The rounded exact sum divided by the number of values, also where the sum itself is beyond the
 * range of doubles; null without values.
 */
export const mean = {
  kind: "mean",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("mean", { field }, options),
  exact: () => ({ ...sumState, finalize }),
  tiled: () => ({ ...sumState, finalize }),
  naive: meanOf,
  sql: ({ value, inside }) => `avgIf(${value}, ${inside})`,
  sqlMagnitude: ({ value, inside }) => `avgIf(abs(${value}), ${inside})`,
  tolerance: { naive: 0, sql: 1e-12 },
} satisfies AggregateKind;
