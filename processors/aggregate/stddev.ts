import { type AggregateKind, type AggregateOptions, define, type Numeric } from "./aggregate.ts";
import type { Algebra } from "./algebra.ts";
import { fromScaled, toScaled } from "./scaled-integer.ts";
import { SquaresState } from "./squares-state.ts";
import type { TileAlgebra } from "./tile-algebra.ts";

const exact: Algebra<SquaresState> = {
  stateName: "squares",
  prepare: () => new SquaresState(),
  update(state, value) {
    state.update(value);
  },
  retract(state, value) {
    state.retract(value);
  },
  finalize: (state) => state.deviation(),
};

const tiled: TileAlgebra<SquaresState> = {
  ...exact,
  merge(state, other) {
    state.merge(other);
  },
  remove(state, part) {
    state.remove(part);
    return true;
  },
  write: SquaresState.write,
  read: SquaresState.read,
};

/**
 * Population standard deviation, from Σx and Σx² without cancellation. Null without values, 0 for
 * one value.
 */
export const stddev = {
  kind: "stddev",
  input: "number",
  output: "number",
  define: <F extends string, R = unknown>(field: F, options?: AggregateOptions<R>) =>
    define<Numeric<F> & R>("stddev", { field }, options),
  exact: () => exact,
  tiled: () => tiled,
  naive,
  sql: ({ value, inside }) => `stddevPopStableIf(${value}, ${inside})`,
  sqlMagnitude: ({ value, inside }) => `avgIf(abs(${value}), ${inside})`,
  tolerance: { naive: 1e-13, sql: 1e-9 },
} satisfies AggregateKind;

/** √(Σ(n·x − Σx)² / n³) by integers, to 60 bits and more. */
function naive(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  if (!values.every(Number.isFinite)) return Number.NaN;
  const n = BigInt(values.length);
  const scaled = values.map(toScaled);
  const total = scaled.reduce((sum, value) => sum + value, 0n);
  const squares = scaled.reduce((sum, value) => sum + (n * value - total) ** 2n, 0n);
  return fromScaled(root((squares << 200n) / n ** 3n) >> 100n);
}

/** The largest integer whose square is at most `square`. */
function root(square: bigint): bigint {
  if (square < 2n) return square;
  let x = 1n << BigInt((square.toString(2).length / 2 + 1) | 0);
  for (;;) {
    const y = (x + square / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}
