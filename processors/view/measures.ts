import { type AggregateSpec, aggregateInputs } from "../../schemas/feature-view.ts";

/** One state that a window keeps: an algebra over one input. */
export interface Measure<Algebra> {
  readonly algebra: Algebra;
  /** Index among the inputs of an event; −1: none is needed. */
  readonly input: number;
}

export interface Measures<Algebra> {
  readonly measures: readonly Measure<Algebra>[];
  /** By aggregate its algebra, and the measure whose state it finalizes. */
  readonly algebras: readonly Algebra[];
  readonly measureOf: readonly number[];
}

/** Aggregates whose algebras keep equal states over the same input share a measure. */
export function measuresOf<Algebra extends { readonly stateName: string }>(
  aggregates: readonly AggregateSpec[],
  algebraOf: (spec: AggregateSpec) => Algebra,
): Measures<Algebra> {
  const { indexOf } = aggregateInputs(aggregates);
  const algebras = aggregates.map((spec) => algebraOf(spec));
  const measures: Measure<Algebra>[] = [];
  const measureOf = algebras.map((algebra, aggregate) => {
    const input = indexOf[aggregate] as number;
    const shared = measures.findIndex(
      (each) => each.input === input && each.algebra.stateName === algebra.stateName,
    );
    return shared >= 0 ? shared : measures.push({ algebra, input }) - 1;
  });
  return { measures, algebras, measureOf };
}
