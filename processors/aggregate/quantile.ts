import {
  type AggregateKind,
  type AggregateOptions,
  define,
  type Numeric,
  type Parameters,
} from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import { type OrderedValues, orderedValues } from "./ordered-values.ts";
import type { TileAlgebra } from "./tile-algebra.ts";
import { ValueSummary } from "./value-summary.ts";

/**
 * The smallest value v such that at least `probability` of the values are ≤ v (the inverse of the
 * empirical distribution function): always one of the values; null without values. Over tiles the
 * value at that rank to the error of {@link ValueSummary}.
 *
 * @see Hyndman and Fan, Sample Quantiles in Statistical Packages (1996), definition 1.
 */
export const quantile = {
  kind: "quantile",
  input: "number",
  output: "number",
  /** @param probability - between 0 and 1, both excluded. */
  define: <F extends string, R = unknown>(
    field: F,
    probability: number,
    options?: AggregateOptions<R>,
  ) => define<Numeric<F> & R>("quantile", { field, parameters: { probability } }, options),
  problem(parameters) {
    const probability = probabilityOf(parameters);
    if (probability > 0 && probability < 1) return null;
    return `quantile probability ${probability} must be between 0 and 1, both excluded`;
  },
  exact(parameters): Algebra<OrderedValues> {
    const probability = probabilityOf(parameters);
    return {
      ...orderedValues,
      finalize: (state) => state.at(quantileRank(probability, state.size)),
    };
  },
  tiled: (parameters) => ofTiles(probabilityOf(parameters)),
  naive(values, parameters) {
    const n = values.length;
    const sorted = Float64Array.from(values, (value) => value + 0).sort();
    return sorted.find((_, i) => i + 1 >= probabilityOf(parameters) * n - 1e-12) ?? null;
  },
  // With whole numbers, as p·n in floating point may miss the rank ⌈p·n⌉.
  sql({ value, inside, ...parameters }) {
    const parts = Math.round(probabilityOf(parameters) * 1e6);
    const rank = `intDiv(countIf(${inside}) * ${parts} + 999999, 1000000)`;
    return `arraySort(groupArrayIf(${value}, ${inside}))[toUInt32(greatest(1, ${rank}))]`;
  },
  tolerance: { naive: 0, sql: 0 },
} satisfies AggregateKind;

function probabilityOf({ parameters }: Parameters): number {
  return parameters?.["probability"] ?? Number.NaN;
}

/** Rank from 0; `probability` × `size` is taken as whole when only rounding keeps it from it. */
function quantileRank(probability: number, size: number): number {
  const rank = Math.ceil(probability * size - size * 2 ** -52);
  return Math.min(Math.max(rank, 1), size) - 1;
}

function ofTiles(probability: number): TileAlgebra<ValueSummary> {
  return {
    stateName: "summary",
    prepare: () => new ValueSummary(),
    update(state, value) {
      state.update(value);
    },
    merge(state, other) {
      state.merge(other);
    },
    remove(state, part) {
      state.remove(part);
      return true;
    },
    write(state, writer) {
      state.write(writer);
    },
    read: (reader) => ValueSummary.read(reader),
    finalize: (state) => state.at(quantileRank(probability, state.size)),
  };
}
