import { type ByteReader, ByteWriter } from "../schemas/bytes.ts";

/** Version of the layout in docs/internals.md; a reader refuses another. */
export const frameVersion = 1;

/** First byte of a record that holds markers of several channels instead of one frame. */
export const bundleVersion = 2;

/** u8 version, u8 input, u16 writer, f64 first sequence, u32 count, f64 progress. */
export const frameHeaderBytes = 24;

/** f64 knownAt, u32 length in front of each payload. */
export const payloadHeaderBytes = 12;

/** A frame is closed before it grows beyond this; only a single larger payload exceeds it. */
export const frameLimitBytes = 256 * 1024;

/** Buffer that a writer keeps between two commits, whatever it once held. */
const keptBytes = 64 * 1024;
const keptBundleBytes = 1024;

/**
 * Collects the payloads that one task sends to one inbox partition on one input, until a commit
 * takes them as frames. Sequence numbers count from 1 without gaps.
 */
export class FrameWriter {
  /** Sequence number of the next payload to be begun; restored from the changelog. */
  nextSequence = 1;
  readonly #input: number;
  readonly #writer: number;
  readonly #payloads = new ByteWriter();
  /** Start of every frame in the payload bytes, and the payloads before it. */
  readonly #starts: number[] = [0];
  readonly #countsBefore: number[] = [0];
  #count = 0;
  #open = 0;
  #knownAt = Number.NEGATIVE_INFINITY;
  #progress = Number.NEGATIVE_INFINITY;

  constructor(input: number, writer: number) {
    this.#input = input;
    this.#writer = writer;
  }

  /** Payloads that wait to be taken. */
  get count(): number {
    return this.#count;
  }

  /**
   * Opens a payload; write it into the returned writer, then call `end`.
   *
   * @throws {RangeError} when knownAt falls, or lies below the progress that was announced: both
   * would break what readers have been promised.
   */
  begin(knownAt: number): ByteWriter {
    if (!(knownAt >= this.#knownAt && knownAt >= this.#progress)) {
      throw new RangeError(
        `input ${this.#input}: a payload known at ${knownAt} follows one at ${this.#knownAt} ` +
          `and progress ${this.#progress}`,
      );
    }
    this.#knownAt = knownAt;
    const payloads = this.#payloads;
    this.#open = payloads.position;
    payloads.f64(knownAt);
    payloads.u32(0);
    return payloads;
  }

  /** Bytes of the payload that is open. */
  get openBytes(): number {
    return this.#payloads.position - this.#open - payloadHeaderBytes;
  }

  /** Takes the open payload back; returns its bytes, which the next one overwrites. */
  drop(): Buffer {
    const { buffer, position } = this.#payloads;
    this.#payloads.position = this.#open;
    return buffer.subarray(this.#open + payloadHeaderBytes, position);
  }

  /** Closes the payload; returns its bytes with the header in front. */
  end(): number {
    const payloads = this.#payloads;
    const start = this.#open;
    const bytes = payloads.position - start;
    payloads.buffer.writeUInt32LE(bytes - payloadHeaderBytes, start + 8);
    const frameStart = this.#starts[this.#starts.length - 1] as number;
    const frameBytes = frameHeaderBytes + payloads.position - frameStart;
    if (frameBytes > frameLimitBytes && start > frameStart) {
      this.#starts.push(start);
      this.#countsBefore.push(this.#count);
    }
    this.#count++;
    this.nextSequence++;
    return bytes;
  }

  /**
   * The payloads since the last call as frames, at least one (a marker); the last carries the
   * progress, those before it −Infinity, which says nothing.
   */
  take(progress: number): Buffer[] {
    const { buffer, position } = this.#payloads;
    const firstSequence = this.nextSequence - this.#count;
    const frames: Buffer[] = [];
    for (let i = 0; i < this.#starts.length; i++) {
      const last = i === this.#starts.length - 1;
      const start = this.#starts[i] as number;
      const end = last ? position : (this.#starts[i + 1] as number);
      const before = this.#countsBefore[i] as number;
      const after = last ? this.#count : (this.#countsBefore[i + 1] as number);
      const frame = Buffer.allocUnsafe(frameHeaderBytes + end - start);
      frame.writeUInt8(frameVersion, 0);
      frame.writeUInt8(this.#input, 1);
      frame.writeUInt16LE(this.#writer, 2);
      frame.writeDoubleLE(firstSequence + before, 4);
      frame.writeUInt32LE(after - before, 12);
      frame.writeDoubleLE(last ? progress : Number.NEGATIVE_INFINITY, 16);
      buffer.copy(frame, frameHeaderBytes, start, end);
      frames.push(frame);
    }
    this.#payloads.recycle(keptBytes);
    this.#starts.length = 1;
    this.#countsBefore.length = 1;
    this.#count = 0;
    this.#progress = Math.max(this.#progress, progress);
    return frames;
  }
}

/**
 * Markers for one inbox partition, each of another channel, in one record: u8 bundle version, then
 * the frames back to back, each a header alone. So what it costs to say that nothing comes
 * grows with the partitions that hear it, not with those that say it.
 */
export class MarkerBundle {
  readonly #frames = new ByteWriter(256);
  #count = 0;

  get bytes(): number {
    return this.#frames.position;
  }

  /** @param marker - a frame without payloads. */
  add(marker: Buffer): void {
    if (this.#count++ === 0) this.#frames.u8(bundleVersion);
    this.#frames.raw(marker, 0, frameHeaderBytes);
  }

  /** One record value of all that were added since the last call; null: of none. */
  take(): Buffer | null {
    const { buffer, position } = this.#frames;
    const count = this.#count;
    this.#count = 0;
    this.#frames.recycle(keptBundleBytes);
    if (count === 0) return null;
    return Buffer.from(buffer.subarray(count === 1 ? 1 : 0, position));
  }
}

/** Whether a frame has no payloads. */
export function isMarker(frame: Buffer): boolean {
  return frame.readUInt32LE(12) === 0;
}

/**
 * Reads one frame over a slice that it does not own: the header at `reset`, then payload by
 * payload.
 */
export class FrameReader {
  input = 0;
  writer = 0;
  firstSequence = 0;
  count = 0;
  progress = 0;
  /** Of the payload that `next` moved to. */
  sequence = 0;
  knownAt = 0;
  start = 0;
  end = 0;
  buffer: Buffer = Buffer.alloc(0);
  #limit = 0;

  /** @throws {RangeError} when the bytes are no frame of this version. */
  reset(buffer: Buffer, start = 0, end = buffer.length): void {
    if (end - start < frameHeaderBytes || buffer[start] !== frameVersion) {
      throw new RangeError(`no frame of version ${frameVersion}: ${end - start} bytes`);
    }
    this.buffer = buffer;
    this.input = buffer.readUInt8(start + 1);
    this.writer = buffer.readUInt16LE(start + 2);
    this.firstSequence = buffer.readDoubleLE(start + 4);
    this.count = buffer.readUInt32LE(start + 12);
    this.progress = buffer.readDoubleLE(start + 16);
    this.sequence = this.firstSequence - 1;
    this.end = start + frameHeaderBytes;
    this.#limit = end;
  }

  /**
   * Moves to the next payload; false behind the last one.
   *
   * @throws {RangeError} when the payload is cut off.
   */
  next(): boolean {
    if (this.sequence >= this.firstSequence + this.count - 1) return false;
    const at = this.end;
    const start = at + payloadHeaderBytes;
    if (start > this.#limit) throw new RangeError("a frame ends within a payload");
    this.start = start;
    this.end = start + this.buffer.readUInt32LE(at + 8);
    if (this.end > this.#limit) throw new RangeError("a frame ends within a payload");
    this.knownAt = this.buffer.readDoubleLE(at);
    this.sequence++;
    return true;
  }

  /** Positions a reader on the payload. */
  payload(reader: ByteReader): void {
    reader.reset(this.buffer, this.start, this.end);
  }
}
