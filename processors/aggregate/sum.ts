import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import { exactSum, type SumState, sumState } from "./sum-state.ts";

const finalize = (state: SumState) => (state.values === 0 ? Number.NaN : state.sum.round());

/**
 * Sum of the values, rounded once from the exact sum (±Infinity beyond the range of doubles); null
 * without values.
 */
export const sum = {
  kind: "sum",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("sum", { field }, options),
  exact: () => ({ ...sumState, finalize }),
  tiled: () => ({ ...sumState, finalize }),
  naive: (values) => (values.length === 0 ? null : exactSum(values)),
  sql: ({ value, inside }) => `sumIf(${value}, ${inside})`,
  // Doubles are added in any order there: up to 4,096, each addition off by 2^-53 of the magnitude.
  sqlMagnitude: ({ value, inside }) => `sumIf(abs(${value}), ${inside})`,
  tolerance: { naive: 0, sql: 1e-12 },
} satisfies AggregateKind;
