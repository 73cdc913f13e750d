import { batchSizeAt, layout, readInt64, writeInt64 } from "../record-batch/layout.ts";
import { type LogSegment, SparseIndex } from "./log-segment.ts";

const initialBytes = 1024;

/** A segment that is a buffer. It grows by copying, so views given out before stay as they are. */
export class MemorySegment implements LogSegment {
  readonly baseOffset: number;
  readonly #index = new SparseIndex();
  #buffer: Buffer = Buffer.alloc(0);
  #size = 0;

  constructor(baseOffset: number) {
    this.baseOffset = baseOffset;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  get residentBytes(): number {
    return this.#buffer.length;
  }

  append(encoded: Buffer, offset: number): void {
    const at = this.#size;
    const end = at + encoded.length;
    if (end > this.#buffer.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, this.#buffer.length * 2, initialBytes));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    encoded.copy(this.#buffer, at);
    writeInt64(this.#buffer, offset, at + layout.baseOffset);
    this.#index.add(offset, at);
    this.#size = end;
  }

  locate(offset: number): number {
    return this.#index.find(offset);
  }

  read(position: number): Buffer {
    return this.#buffer.subarray(position, this.#size);
  }

  rewrite(batches: readonly Buffer[]): void {
    this.#buffer = Buffer.concat(batches);
    this.#size = this.#buffer.length;
    this.#index.clear();
    for (let at = 0; at < this.#size; at += batchSizeAt(this.#buffer, at)) {
      this.#index.add(readInt64(this.#buffer, at + layout.baseOffset), at);
    }
  }

  flush(): void {}

  seal(): void {}

  drop(): void {
    this.#buffer = Buffer.alloc(0);
    this.#size = 0;
  }

  close(): void {}
}
