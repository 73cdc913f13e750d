/** A stretch of a segment file as it was appended, still in memory. */
export interface TailChunk {
  /** Where it begins in the file. */
  readonly position: number;
  /** Empty once it is not kept: whoever still holds the chunk does not hold its bytes. */
  buffer: Buffer;
  used: number;
  /** Once false its bytes are to be read from the file. */
  kept: boolean;
}

const nothing = Buffer.alloc(0);

/** Chunks grow with what a partition writes between these bounds; a larger batch has its own. */
const smallestChunkBytes = 4 * 1024;
const largestChunkBytes = 256 * 1024;

/**
 * Keeps what was appended last, of all partitions together, so that consumers that keep up never
 * read the disk. Beyond the limit the oldest chunks are let go, but never the newest one.
 */
export class TailCache {
  readonly limitBytes: number;
  /** Those that are kept, oldest first. */
  readonly #chunks = new Set<TailChunk>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#chunks.size;
  }

  /** A chunk that takes a batch of this size, after one of `previousBytes` (0: none). */
  chunk(position: number, batchBytes: number, previousBytes: number): TailChunk {
    const grown = Math.min(Math.max(previousBytes * 2, smallestChunkBytes), largestChunkBytes);
    const buffer = Buffer.allocUnsafeSlow(Math.max(batchBytes, grown));
    const chunk: TailChunk = { position, buffer, used: 0, kept: true };
    this.#chunks.add(chunk);
    this.#bytes += buffer.length;
    for (const oldest of this.#chunks) {
      if (this.#bytes <= this.limitBytes || oldest === chunk) break;
      this.forget(oldest);
    }
    return chunk;
  }

  /** Lets a chunk go: its segment is gone, or its turn has come. */
  forget(chunk: TailChunk): void {
    if (!this.#chunks.delete(chunk)) return;
    chunk.kept = false;
    this.#bytes -= chunk.buffer.length;
    chunk.buffer = nothing;
  }
}
