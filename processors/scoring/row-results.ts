import type { ByteReader } from "../../schemas/bytes.ts";
import { rowResultBytes } from "./score-work.ts";

/** What became of the rows of some work, as the bytes of its result say it. */
export class RowResults {
  readonly #reader: ByteReader;
  readonly #start: number;
  readonly #rows: number;

  /**
   * @param reader - stands behind the rows afterwards, where news may follow.
   * @throws {RangeError} for fewer bytes than the rows have.
   */
  constructor(reader: ByteReader, rows: number, step: string) {
    this.#reader = reader;
    this.#start = reader.position;
    this.#rows = rows;
    const bytes = reader.end - reader.position;
    if (bytes < rows * rowResultBytes) {
      throw new RangeError(`${step}: the result of ${rows} rows has ${bytes} bytes`);
    }
    reader.position += rows * rowResultBytes;
  }

  probability(row: number): number {
    return this.#reader.buffer.readDoubleLE(this.#start + row * 8);
  }

  latencyMs(row: number): number {
    return this.#reader.buffer.readDoubleLE(this.#start + (this.#rows + row) * 8);
  }

  /** Of `rowStates`. */
  state(row: number): number {
    return this.#reader.buffer[this.#start + this.#rows * 16 + row] as number;
  }
}
