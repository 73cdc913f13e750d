import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** The smallest and the largest value of a tile or of the tiles of a window; −0 counts as 0. */
export class Extremes {
  values = 0;
  min = Number.NaN;
  max = Number.NaN;

  update(value: number): void {
    if (!Number.isNaN(value)) this.#add(1, value + 0, value + 0);
  }

  merge(other: Extremes): void {
    if (other.values > 0) this.#add(other.values, other.min, other.max);
  }

  /** False when the part may have held the only smallest or largest value. */
  remove(part: Extremes): boolean {
    if (part.values === 0) return true;
    this.values -= part.values;
    if (this.values > 0) return part.min > this.min && part.max < this.max;
    this.min = Number.NaN;
    this.max = Number.NaN;
    return true;
  }

  #add(values: number, min: number, max: number): void {
    if (this.values === 0 || min < this.min) this.min = min;
    if (this.values === 0 || max > this.max) this.max = max;
    this.values += values;
  }
}

/** The parts of a tile algebra that min and max have in common. */
export const extremesOfTiles = {
  stateName: "extremes",
  prepare: () => new Extremes(),
  update(state: Extremes, value: number) {
    state.update(value);
  },
  merge(state: Extremes, other: Extremes) {
    state.merge(other);
  },
  remove: (state: Extremes, part: Extremes) => state.remove(part),
  write(state: Extremes, writer: ByteWriter) {
    writer.f64(state.values);
    writer.f64(state.min);
    writer.f64(state.max);
  },
  read(reader: ByteReader) {
    const state = new Extremes();
    state.values = reader.f64();
    state.min = reader.f64();
    state.max = reader.f64();
    return state;
  },
};
