import type { AggregateKind } from "../../schemas/feature-view.ts";
import type { Test } from "./conditions.ts";
import type { AggregateDefinition } from "./definitions.ts";
import { freezeDeeply } from "./freeze.ts";

/** How one feature is computed from the records of a window that have the fields of `R`. */
export interface Aggregate<in R> {
  readonly definition: AggregateDefinition;
  /** Only a type: what the aggregate reads. */
  readonly __reads?: (record: R) => void;
}

type Numeric<F extends string> = { readonly [K in F]: number | null };

function ofField<F extends string>(kind: AggregateKind, field: F): Aggregate<Numeric<F>> {
  return freezeDeeply({ definition: { kind, field } });
}

/**
 * The aggregates. Null fields are skipped; over no value each of them is null, but for `count`,
 * which is 0.
 */
export const agg = Object.freeze({
  /** Number of records, whatever they hold. */
  count: (): Aggregate<unknown> => freezeDeeply({ definition: { kind: "count" } }),
  sum: <F extends string>(field: F): Aggregate<Numeric<F>> => ofField("sum", field),
  mean: <F extends string>(field: F): Aggregate<Numeric<F>> => ofField("mean", field),
  min: <F extends string>(field: F): Aggregate<Numeric<F>> => ofField("min", field),
  max: <F extends string>(field: F): Aggregate<Numeric<F>> => ofField("max", field),
  /** Population standard deviation. */
  stddev: <F extends string>(field: F): Aggregate<Numeric<F>> => ofField("stddev", field),
  /** Share of the records for which the test holds among those for which it is known. */
  share: <R>(test: Test<R>): Aggregate<R> =>
    freezeDeeply({ definition: { kind: "share", condition: test.condition } }),
  /**
   * Smallest value with at least `probability` of the values at or below it (inverted CDF,
   * Hyndman and Fan's definition 1).
   *
   * @param probability - between 0 and 1, both excluded.
   */
  quantile: <F extends string>(field: F, probability: number): Aggregate<Numeric<F>> =>
    freezeDeeply({ definition: { kind: "quantile", field, probability } }),
});
