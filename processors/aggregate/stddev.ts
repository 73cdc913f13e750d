import type { Algebra } from "./algebra.ts";
import { ExactSum } from "./exact-sum.ts";

/** 2^27 + 1: splits a double into two halves of 26 bits. */
const splitter = 134_217_729;

/** Exact sums of the values and of their squares. */
export class SquaresState {
  values = 0;
  readonly sum = new ExactSum();
  readonly squares = new ExactSum();

  update(value: number): void {
    if (Number.isNaN(value)) return;
    this.values++;
    this.sum.add(value);
    const square = value * value;
    this.squares.add(square);
    const error = productError(value, value, square);
    if (error !== 0) this.squares.add(error);
  }

  retract(value: number): void {
    if (Number.isNaN(value)) return;
    this.values--;
    this.sum.subtract(value);
    const square = value * value;
    this.squares.subtract(square);
    const error = productError(value, value, square);
    if (error !== 0) this.squares.subtract(error);
  }

  merge(other: SquaresState): void {
    this.values += other.values;
    this.sum.merge(other.sum);
    this.squares.merge(other.squares);
  }
}

/**
 * Population standard deviation, from Σx and Σx² without cancellation: Σ(x − m)² is summed exactly
 * for the rounded mean m. NaN without values, 0 for one. Values between 1e-140 and 1e140 in
 * magnitude (or 0) give full precision; the squares of others leave the range of a double.
 */
export const stddev: Algebra<SquaresState> = {
  stateName: "squares",
  prepare: () => new SquaresState(),
  update(state, value) {
    state.update(value);
  },
  retract(state, value) {
    state.retract(value);
  },
  merge(state, other) {
    state.merge(other);
  },
  finalize(state) {
    const n = state.values;
    if (n === 0) return Number.NaN;
    const mean = state.sum.round() / n;
    const deviations = new ExactSum();
    const rest = new ExactSum();
    state.squares.forEachPart((part) => deviations.add(part));
    state.sum.forEachPart((part) => {
      addProduct(deviations, part, -2 * mean);
      rest.add(part);
    });
    const square = mean * mean;
    addProduct(deviations, square, n);
    addProduct(deviations, productError(mean, mean, square), n);
    addProduct(rest, mean, -n);
    const offset = rest.round();
    const variance = (deviations.round() - (offset * offset) / n) / n;
    return Math.sqrt(Math.max(0, variance));
  },
};

function addProduct(sum: ExactSum, a: number, b: number): void {
  const product = a * b;
  sum.add(product);
  const error = productError(a, b, product);
  if (error !== 0) sum.add(error);
}

/**
 * What is lost when a × b is rounded to `product`; 0 where the product is not finite.
 *
 * @see Dekker, A floating-point technique for extending the available precision (1971).
 */
function productError(a: number, b: number, product: number): number {
  const aBig = splitter * a;
  const aHigh = aBig - (aBig - a);
  const aLow = a - aHigh;
  const bBig = splitter * b;
  const bHigh = bBig - (bBig - b);
  const bLow = b - bHigh;
  const error = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  return Number.isFinite(error) ? error : 0;
}
