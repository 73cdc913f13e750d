import type { TrainingRows } from "../../../processors/train/training-rows.ts";

/**
 * Decodes training rows from RowBinary that comes in chunks cut anywhere: f64 knownAt, u8 label,
 * features × f64. Memory: the rows, doubling as they come.
 */
export class TrainingRowDecoder {
  readonly #features: readonly string[];
  readonly #rowBytes: number;
  #values: Float64Array;
  #labels = new Uint8Array(1024);
  #knownAt = new Float64Array(1024);
  #n = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(features: readonly string[]) {
    this.#features = features;
    this.#rowBytes = 9 + features.length * 8;
    this.#values = new Float64Array(1024 * features.length);
  }

  add(chunk: Uint8Array): void {
    const fresh = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const bytes = this.#rest.length === 0 ? fresh : Buffer.concat([this.#rest, fresh]);
    const whole = Math.floor(bytes.length / this.#rowBytes);
    this.#reserve(this.#n + whole);
    for (let row = 0; row < whole; row++) this.#row(bytes, row * this.#rowBytes);
    this.#rest = Buffer.from(bytes.subarray(whole * this.#rowBytes));
  }

  /** All rows; throws RangeError when the last one is cut off. */
  rows(): TrainingRows {
    if (this.#rest.length > 0) throw new RangeError("the training rows end within a row");
    const n = this.#n;
    return {
      n,
      features: this.#features,
      values: this.#values.subarray(0, n * this.#features.length),
      labels: this.#labels.subarray(0, n),
      knownAt: this.#knownAt.subarray(0, n),
    };
  }

  #row(bytes: Buffer, start: number): void {
    const width = this.#features.length;
    this.#knownAt[this.#n] = bytes.readDoubleLE(start);
    this.#labels[this.#n] = bytes[start + 8] as number;
    let at = start + 9;
    for (let i = this.#n * width; i < (this.#n + 1) * width; i++) {
      this.#values[i] = bytes.readDoubleLE(at);
      at += 8;
    }
    this.#n++;
  }

  #reserve(rows: number): void {
    if (rows <= this.#labels.length) return;
    const size = Math.max(rows, this.#labels.length * 2);
    const values = new Float64Array(size * this.#features.length);
    values.set(this.#values);
    this.#values = values;
    const labels = new Uint8Array(size);
    labels.set(this.#labels);
    this.#labels = labels;
    const knownAt = new Float64Array(size);
    knownAt.set(this.#knownAt);
    this.#knownAt = knownAt;
  }
}
