/** Marks a text whose length follows in 32 bits. */
const longText = 0xffff;

/** Up to so many bytes are copied one by one: a view of them would cost more, e.g. of a key. */
const shortBytes = 24;

/**
 * A growing little-endian buffer that payload codecs write into. One is reused for millions of
 * payloads, so a write allocates only when the buffer doubles.
 */
export class ByteWriter {
  buffer: Buffer;
  position = 0;

  constructor(initialBytes = 4096) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  reset(): void {
    this.position = 0;
  }

  /**
   * Starts over like {@link reset}, and gives back what a burst has grown: a buffer above
   * `keptBytes` of which less than a quarter was used is halved. For buffers that live long.
   */
  recycle(keptBytes: number): void {
    const { length } = this.buffer;
    if (length > keptBytes && this.position < length / 4) {
      this.buffer = Buffer.allocUnsafe(Math.max(keptBytes, length / 2));
    }
    this.position = 0;
  }

  /** Makes room for `bytes` more and returns the position they start at, which is then passed. */
  reserve(bytes: number): number {
    const start = this.position;
    const end = start + bytes;
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.buffer.length * 2));
      this.buffer.copy(grown, 0, 0, start);
      this.buffer = grown;
    }
    this.position = end;
    return start;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  u16(value: number): void {
    const at = this.reserve(2);
    this.buffer.writeUInt16LE(value, at);
  }

  u32(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeUInt32LE(value, at);
  }

  /** Also carries every integer up to 2^53: times, offsets, sequence numbers. */
  f64(value: number): void {
    const at = this.reserve(8);
    this.buffer.writeDoubleLE(value, at);
  }

  /** UTF-8 text behind its length: u16, or 0xffff and u32 for 65,535 bytes and more. */
  text(value: string): void {
    const most = value.length * 3;
    if (most >= longText) {
      this.#longText(value);
      return;
    }
    const lengthAt = this.reserve(2);
    const start = this.reserve(most);
    const written = this.buffer.write(value, start, "utf8");
    this.buffer.writeUInt16LE(written, lengthAt);
    this.position = start + written;
  }

  /** Raw bytes behind a 32-bit length. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    this.raw(value, 0, value.length);
  }

  /** Raw bytes with nothing in front. */
  raw(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const at = this.reserve(length);
    if (length <= shortBytes) {
      for (let index = 0; index < length; index++) {
        this.buffer[at + index] = source[start + index] as number;
      }
      return;
    }
    const whole = start === 0 && end === source.length;
    this.buffer.set(whole ? source : source.subarray(start, end), at);
  }

  #longText(value: string): void {
    const length = Buffer.byteLength(value, "utf8");
    if (length < longText) this.u16(length);
    else {
      this.u16(longText);
      this.u32(length);
    }
    const start = this.reserve(length);
    this.buffer.write(value, start, "utf8");
  }

  /** A copy of what was written. */
  take(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.position));
  }
}

/** Reads what {@link ByteWriter} wrote, over a slice that it does not own. */
export class ByteReader {
  buffer: Buffer;
  position: number;
  end: number;

  constructor(buffer: Buffer = Buffer.alloc(0), start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  reset(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  u8(): number {
    return this.buffer.readUInt8(this.position++);
  }

  u16(): number {
    const value = this.buffer.readUInt16LE(this.position);
    this.position += 2;
    return value;
  }

  u32(): number {
    const value = this.buffer.readUInt32LE(this.position);
    this.position += 4;
    return value;
  }

  f64(): number {
    const value = this.buffer.readDoubleLE(this.position);
    this.position += 8;
    return value;
  }

  text(): string {
    const short = this.u16();
    const length = short === longText ? this.u32() : short;
    const start = this.position;
    this.position = start + length;
    return this.buffer.toString("utf8", start, this.position);
  }

  /** Passes over a text. */
  skipText(): void {
    const short = this.u16();
    const length = short === longText ? this.u32() : short;
    this.position += length;
  }

  /** A view of the bytes, not a copy. */
  bytes(): Buffer {
    const length = this.u32();
    const start = this.position;
    this.position = start + length;
    return this.buffer.subarray(start, this.position);
  }
}
