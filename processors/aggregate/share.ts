import type { Test } from "../../schemas/expression.ts";
import { type AggregateKind, type AggregateOptions, define } from "./aggregate.ts";
import { meanOf, type SumState, sumState } from "./sum-state.ts";

const finalize = (state: SumState) => state.mean();

/**
 * Share of records for which a condition holds (1) among those for which it is known (1 or 0), in
 * [0, 1]; null where it is known for none.
 */
export const share = {
  kind: "share",
  input: "truth",
  output: "number",
  define: <T, R = unknown>({ condition }: Test<T>, options?: AggregateOptions<R>) =>
    define<T & R>("share", { condition }, options),
  exact: () => ({ ...sumState, finalize }),
  tiled: () => ({ ...sumState, finalize }),
  naive: meanOf,
  sql: ({ value, inside }) => `avgIf(${value}, ${inside})`,
  tolerance: { naive: 0, sql: 1e-9 },
} satisfies AggregateKind;
