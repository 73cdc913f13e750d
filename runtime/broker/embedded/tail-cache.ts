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
  #chunks: TailChunk[] = [];
  #first = 0;
  #bytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A chunk that takes a batch of this size, after one of `previousBytes` (0: none). */
  chunk(position: number, batchBytes: number, previousBytes: number): TailChunk {
    const grown = Math.min(Math.max(previousBytes * 2, smallestChunkBytes), largestChunkBytes);
    const buffer = Buffer.allocUnsafeSlow(Math.max(batchBytes, grown));
    const chunk: TailChunk = { position, buffer, used: 0, kept: true };
    this.#chunks.push(chunk);
    this.#bytes += buffer.length;
    while (this.#bytes > this.limitBytes && this.#first < this.#chunks.length - 1) {
      this.#letGo(this.#chunks[this.#first++] as TailChunk);
    }
    if (this.#first > 1024 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#first = 0;
    }
    return chunk;
  }

  /** For a segment that is gone. */
  forget(chunk: TailChunk): void {
    this.#letGo(chunk);
  }

  #letGo(chunk: TailChunk): void {
    if (!chunk.kept) return;
    chunk.kept = false;
    this.#bytes -= chunk.buffer.length;
    chunk.buffer = nothing;
  }
}
