import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { ExactSum } from "./exact-sum.ts";

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
    return this.values === 0 ? Number.NaN : this.sum.round() / this.values;
  }
}

/** The parts of an algebra that all over a {@link SumState} have in common. */
export const sumStateAlgebra = {
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
};
