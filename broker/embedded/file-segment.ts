import { closeSync, fstatSync, ftruncateSync } from "node:fs";
import { basename, join } from "node:path";
import { MillraceError } from "../../schemas/errors.ts";
import { crc32c } from "../record-batch/crc32c.ts";
import { batchSizeAt, layout, readInt64, writeInt64 } from "../record-batch/layout.ts";
import { type LogSegment, SparseIndex, wholeBatchAt } from "./log-segment.ts";
import { readAll, type Storage } from "./storage.ts";
import type { TailCache, TailChunk } from "./tail-cache.ts";

/** Read at once where the log is stepped through. */
const blockBytes = 1024 * 1024;
/** Least bytes of one read from the file. */
const smallestReadBytes = 64 * 1024;

/** Name of a segment file, as Kafka names them. */
export function segmentFileName(baseOffset: number): string {
  return `${String(baseOffset).padStart(20, "0")}.log`;
}

/** The base offset in a segment file's name, or null for another file. */
export function baseOffsetOf(fileName: string): number | null {
  const match = /^(\d{20})\.log$/.exec(basename(fileName));
  return match === null ? null : Number(match[1]);
}

/**
 * A segment in a file: its bytes are those that a fetch gives. What was appended last is in memory;
 * the rest is read by position, its checksums compared.
 */
export class FileSegment implements LogSegment {
  readonly baseOffset: number;
  readonly path: string;
  readonly #storage: Storage;
  readonly #cache: TailCache;
  readonly #chunks: TailChunk[] = [];
  #index: SparseIndex | null;
  #file: number | null = null;
  #sealed = false;
  #size: number;

  /** @param sizeBytes - of the file as it is; 0 for a new one. */
  constructor(
    directory: string,
    baseOffset: number,
    sizeBytes: number,
    storage: Storage,
    cache: TailCache,
  ) {
    this.baseOffset = baseOffset;
    this.path = join(directory, segmentFileName(baseOffset));
    this.#storage = storage;
    this.#cache = cache;
    this.#size = sizeBytes;
    this.#index = sizeBytes === 0 ? new SparseIndex() : null;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  get residentBytes(): number {
    let bytes = 0;
    for (const chunk of this.#chunks) bytes += chunk.buffer.length;
    return bytes;
  }

  append(encoded: Buffer, offset: number, kind: "data" | "marker"): void {
    const file = this.#open();
    const chunk = this.#chunkFor(encoded.length);
    const start = chunk.used;
    const end = start + encoded.length;
    encoded.copy(chunk.buffer, start);
    writeInt64(chunk.buffer, offset, start + layout.baseOffset);
    const point = kind === "data" ? "segment-write" : "marker-write";
    this.#storage.write(point, file, chunk.buffer.subarray(start, end), this.#size);
    chunk.used = end;
    this.#index?.add(offset, this.#size);
    this.#size += encoded.length;
  }

  locate(offset: number): number {
    this.#index ??= this.#buildIndex();
    return this.#index.find(offset);
  }

  read(position: number, wantBytes: number): Buffer {
    const cached = this.#cached(position);
    if (cached !== null) return cached;
    const bytes = this.readUnchecked(position, wantBytes);
    if (bytes.length > 0 && !wholeBatchAt(bytes, 0))
      throw this.damaged(position, "no batch begins");
    return this.#checked(bytes, position);
  }

  /** From the file, whatever it holds: the whole batch at the position if there is one. */
  readUnchecked(position: number, wantBytes: number): Buffer {
    const left = this.#size - position;
    if (left <= 0) return Buffer.alloc(0);
    const bytes = this.#readFile(position, Math.min(left, Math.max(wantBytes, smallestReadBytes)));
    if (bytes.length < layout.records || wholeBatchAt(bytes, 0)) return bytes;
    const size = batchSizeAt(bytes, 0);
    return size > bytes.length && size <= left ? this.#readFile(position, size) : bytes;
  }

  /** Takes the segment for shorter than its file: what is behind is cut off at its next use. */
  endAt(position: number): void {
    this.close();
    this.#size = position;
  }

  rewrite(batches: readonly Buffer[]): void {
    const bytes = Buffer.concat(batches);
    this.#storage.replace(["compaction-write", "compaction-rename"], this.path, bytes);
    this.close();
    this.#forgetChunks();
    this.#size = bytes.length;
    this.#index = null;
  }

  flush(): void {
    if (this.#file !== null) this.#storage.flush(this.#file);
  }

  seal(): void {
    this.flush();
    this.#sealed = true;
    this.close();
  }

  drop(): void {
    this.close();
    this.#forgetChunks();
    this.#storage.remove(this.path);
    this.#size = 0;
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #open(): number {
    if (this.#file === null) {
      this.#file = this.#storage.openFile(this.path);
      // A torn tail, or left over from a crash between making the file and its first batch.
      if (!this.#storage.readOnly && fstatSync(this.#file).size > this.#size) {
        ftruncateSync(this.#file, this.#size);
      }
    }
    return this.#file;
  }

  #chunkFor(batchBytes: number): TailChunk {
    const last = this.#chunks.at(-1);
    if (last?.kept && last.used + batchBytes <= last.buffer.length) return last;
    while (this.#chunks.length > 0 && !this.#chunks[0]?.kept) this.#chunks.shift();
    const chunk = this.#cache.chunk(this.#size, batchBytes, last?.buffer.length ?? 0);
    this.#chunks.push(chunk);
    return chunk;
  }

  #cached(position: number): Buffer | null {
    for (let index = this.#chunks.length - 1; index >= 0; index--) {
      const chunk = this.#chunks[index] as TailChunk;
      if (position < chunk.position) continue;
      const at = position - chunk.position;
      return chunk.kept && at < chunk.used ? chunk.buffer.subarray(at, chunk.used) : null;
    }
    return null;
  }

  #readFile(position: number, bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(bytes);
    const count = readAll(this.#open(), buffer, position);
    // Thousands of old segments must not hold as many open files.
    if (this.#sealed) this.close();
    return buffer.subarray(0, count);
  }

  /** Bytes from the disk are compared with their checksums; those in memory were never away. */
  #checked(bytes: Buffer, position: number): Buffer {
    for (let at = 0; wholeBatchAt(bytes, at); at += batchSizeAt(bytes, at)) {
      const end = at + batchSizeAt(bytes, at);
      const stored = bytes.readUInt32BE(at + layout.crc);
      if (crc32c(bytes, at + layout.attributes, end) !== stored) {
        throw this.damaged(position + at, "the checksum does not fit");
      }
    }
    return bytes;
  }

  damaged(position: number, what: string): MillraceError {
    const reason = `${what} at byte ${position} of ${this.path}`;
    return new MillraceError("STORAGE_DAMAGED", { directory: this.#storage.directory, reason });
  }

  #buildIndex(): SparseIndex {
    const index = new SparseIndex();
    let position = 0;
    while (position < this.#size) {
      const bytes = this.read(position, blockBytes);
      let at = 0;
      for (; wholeBatchAt(bytes, at); at += batchSizeAt(bytes, at)) {
        index.add(readInt64(bytes, at + layout.baseOffset), position + at);
      }
      if (at === 0) break;
      position += at;
    }
    return index;
  }

  #forgetChunks(): void {
    for (const chunk of this.#chunks) this.#cache.forget(chunk);
    this.#chunks.length = 0;
  }
}
