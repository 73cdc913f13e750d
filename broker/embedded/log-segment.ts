import { batchSizeAt, lastOffsetAt, layout, readInt64 } from "../record-batch/layout.ts";

/** Bytes between two entries of a segment's index; batches between them are stepped over. */
const indexIntervalBytes = 4096;

/** A stretch of a partition's log: record batches back to back from a base offset on. */
export interface LogSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** Bytes held in memory, of the limited cache or for good. */
  readonly residentBytes: number;
  /** Copies a batch to the end and gives it its offset; all or nothing. */
  append(encoded: Buffer, offset: number, kind: "data" | "marker"): void;
  /** Position of a batch at or before the one that holds the offset. */
  locate(offset: number): number;
  /**
   * Bytes from a position on: the whole batch there at least, `wantBytes` or so at most; empty at
   * the end. A view that stays valid; not to be changed.
   */
  read(position: number, wantBytes: number): Buffer;
  /** Flushes to the disk itself, where there is one. */
  flush(): void;
  /** Nothing more will be appended. */
  seal(): void;
  /** Rewrites the segment with other batches (compaction). */
  rewrite(batches: readonly Buffer[]): void;
  /** Removes it for good. */
  drop(): void;
  close(): void;
}

/** Offsets and positions of some batches of a segment. */
export class SparseIndex {
  readonly #offsets: number[] = [];
  readonly #positions: number[] = [];

  add(offset: number, position: number): void {
    const last = this.#positions.at(-1);
    if (last !== undefined && position - last < indexIntervalBytes) return;
    this.#offsets.push(offset);
    this.#positions.push(position);
  }

  /** Position of the last entry at or below the offset; 0 when there is none. */
  find(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#positions[low - 1] ?? 0;
  }

  clear(): void {
    this.#offsets.length = 0;
    this.#positions.length = 0;
  }
}

/** Whether a whole batch stands at a position of `bytes`. */
export function wholeBatchAt(bytes: Buffer, at: number): boolean {
  if (at + layout.records > bytes.length) return false;
  const size = batchSizeAt(bytes, at);
  return size >= layout.records && at + size <= bytes.length;
}

/** Steps over batches that end below the offset; the position of the first one left. */
export function skipBelow(bytes: Buffer, offset: number): number {
  let at = 0;
  while (wholeBatchAt(bytes, at) && lastOffsetAt(bytes, at) < offset) at += batchSizeAt(bytes, at);
  return at;
}

/** End of the batches from `start` on that begin below `upper`; the first one always fits. */
export function endWithin(bytes: Buffer, start: number, upper: number, maxBytes: number): number {
  let end = start;
  while (wholeBatchAt(bytes, end) && readInt64(bytes, end + layout.baseOffset) < upper) {
    const next = end + batchSizeAt(bytes, end);
    if (end > start && next - start > maxBytes) break;
    end = next;
  }
  return end;
}
