import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { ExactSum } from "./exact-sum.ts";
import { fromScaled, toScaled } from "./scaled-integer.ts";

/** What sum, mean and share keep: how many values, and their exact sum. */
export class SumState {
  values = 0;
  readonly sum: ExactSum;

  constructor(sum = new ExactSum()) {
    this.sum = sum;
  }

  static write(state: SumState, writer: ByteWriter): void {
    writer.f64(state.values);
    state.sum.write(writer);
  }

  static read(reader: ByteReader): SumState {
    const values = reader.f64();
    const state = new SumState(ExactSum.read(reader));
    state.values = values;
    return state;
  }

  update(value: number): void {
    if (Number.isNaN(value)) return;
    this.values++;
    this.sum.add(value);
  }

  retract(value: number): void {
    if (Number.isNaN(value)) return;
    this.values--;
    this.sum.subtract(value);
  }

  merge(other: SumState): void {
    this.values += other.values;
    this.sum.merge(other.sum);
  }

  remove(part: SumState): void {
    this.values -= part.values;
    this.sum.remove(part.sum);
  }

  mean(): number {
    return this.values === 0 ? Number.NaN : this.sum.over(this.values);
  }
}

/** What the algebras of sum, mean and share have in common, over events and over tiles. */
export const sumState = {
  stateName: "sum",
  prepare: () => new SumState(),
  update(state: SumState, value: number) {
    state.update(value);
  },
  retract(state: SumState, value: number) {
    state.retract(value);
  },
  merge(state: SumState, other: SumState) {
    state.merge(other);
  },
  remove(state: SumState, part: SumState) {
    state.remove(part);
    return true;
  },
  write: SumState.write,
  read: SumState.read,
};

/** The exact sum in big integers, rounded once; infinite values as addition has them. */
export function exactSum(values: readonly number[]): number {
  const infinite = values.reduce((total, value) => total + (Number.isFinite(value) ? 0 : value), 0);
  if (infinite !== 0) return infinite;
  return fromScaled(values.reduce((total, value) => total + toScaled(value), 0n));
}

/** From the definition of a mean; null without values. */
export function meanOf(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sum = exactSum(values);
  if (Number.isFinite(sum) || !values.every(Number.isFinite)) return sum / values.length;
  const total = values.reduce((scaled, value) => scaled + toScaled(value), 0n);
  return fromScaled(total / BigInt(values.length));
}
