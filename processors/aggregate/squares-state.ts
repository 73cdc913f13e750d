import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { readBigInt, writeBigInt } from "./big-integer.ts";
import { ExactSum } from "./exact-sum.ts";
import { rootOfScaledSquare, scaleBits, toScaled } from "./scaled-integer.ts";

/** Squares of values beyond these leave the range in which products of doubles are exact. */
const largest = 2 ** 400;
const smallest = 2 ** -400;

/** 2^27 + 1: splits a double into two halves of 26 bits. */
const splitter = 134_217_729;

/** Exact sums of the values and of their squares; extreme values go to big integers. */
export class SquaresState {
  values = 0;
  infinities = 0;
  readonly sum: ExactSum;
  readonly squares: ExactSum;
  /** How many, their sum times 2^1074, and the sum of their squares times 2^2148. */
  extremes = 0;
  extremeSum = 0n;
  extremeSquares = 0n;

  constructor(sum = new ExactSum(), squares = new ExactSum()) {
    this.sum = sum;
    this.squares = squares;
  }

  static write(state: SquaresState, writer: ByteWriter): void {
    state.sum.write(writer);
    state.squares.write(writer);
    writer.f64(state.values);
    writer.f64(state.infinities);
    writer.f64(state.extremes);
    if (state.extremes === 0) return;
    writeBigInt(writer, state.extremeSum);
    writeBigInt(writer, state.extremeSquares);
  }

  static read(reader: ByteReader): SquaresState {
    const sum = ExactSum.read(reader);
    const state = new SquaresState(sum, ExactSum.read(reader));
    state.values = reader.f64();
    state.infinities = reader.f64();
    state.extremes = reader.f64();
    if (state.extremes === 0) return state;
    state.extremeSum = readBigInt(reader);
    state.extremeSquares = readBigInt(reader);
    return state;
  }

  update(value: number): void {
    this.#take(value, 1);
  }

  retract(value: number): void {
    this.#take(value, -1);
  }

  merge(other: SquaresState): void {
    this.values += other.values;
    this.infinities += other.infinities;
    this.sum.merge(other.sum);
    this.squares.merge(other.squares);
    this.extremes += other.extremes;
    this.extremeSum += other.extremeSum;
    this.extremeSquares += other.extremeSquares;
  }

  remove(part: SquaresState): void {
    this.values -= part.values;
    this.infinities -= part.infinities;
    this.sum.remove(part.sum);
    this.squares.remove(part.squares);
    this.extremes -= part.extremes;
    this.extremeSum -= part.extremeSum;
    this.extremeSquares -= part.extremeSquares;
  }

  /** Population standard deviation; NaN without values or with an infinite one. */
  deviation(): number {
    if (this.values === 0 || this.infinities > 0) return Number.NaN;
    return this.extremes > 0 ? extremeDeviation(this) : deviation(this);
  }

  /** @param sign - 1 puts the value in, −1 takes it out. */
  #take(value: number, sign: 1 | -1): void {
    if (Number.isNaN(value)) return;
    this.values += sign;
    const magnitude = Math.abs(value);
    if (magnitude === Number.POSITIVE_INFINITY) {
      this.infinities += sign;
    } else if (magnitude > largest || (magnitude < smallest && magnitude !== 0)) {
      const scaled = toScaled(value);
      this.extremes += sign;
      this.extremeSum += sign > 0 ? scaled : -scaled;
      this.extremeSquares += sign > 0 ? scaled * scaled : -scaled * scaled;
    } else {
      this.sum.add(sign * value);
      const square = value * value;
      this.squares.add(sign * square);
      const error = productError(value, value, square);
      if (error !== 0) this.squares.add(sign * error);
    }
  }
}

/** Σ(x − m)² summed exactly for the rounded mean m: nothing cancels. */
function deviation(state: SquaresState): number {
  const n = state.values;
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
  return Math.sqrt(Math.max(0, (deviations.round() - (offset * offset) / n) / n));
}

/** √(n Σx² − (Σx)²) / n in big integers: slow, and exact whatever the magnitudes. */
function extremeDeviation(state: SquaresState): number {
  const sum = state.sum.scaled() + state.extremeSum;
  const squares = (state.squares.scaled() << scaleBits) + state.extremeSquares;
  return rootOfScaledSquare(BigInt(state.values) * squares - sum * sum, state.values);
}

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
