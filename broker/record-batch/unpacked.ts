/** Least that is set aside for what is unpacked, bytes. */
const leastBytes = 4_096;

/** Bytes that are unpacked, which copy from what stands before them. */
export class Unpacked {
  #buffer: Buffer;
  #length = 0;
  readonly #maxBytes: number;

  /** @param expected - bytes that will come, as far as that is known. */
  constructor(expected: number, maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#buffer = Buffer.allocUnsafe(Math.min(Math.max(expected, leastBytes), maxBytes));
  }

  get length(): number {
    return this.#length;
  }

  append(from: Buffer, start: number, end: number): void {
    if (start > end || end > from.length) throw new Error("it ends within literal bytes");
    this.#makeRoom(end - start);
    from.copy(this.#buffer, this.#length, start, end);
    this.#length += end - start;
  }

  /** Repeats `length` bytes that begin `distance` back; they may overlap those that they make. */
  repeat(distance: number, length: number): void {
    if (distance === 0 || distance > this.#length)
      throw new Error("it copies from before it begins");
    this.#makeRoom(length);
    const buffer = this.#buffer;
    let at = this.#length;
    if (distance >= length) buffer.copyWithin(at, at - distance, at - distance + length);
    else for (const end = at + length; at < end; at++) buffer[at] = buffer[at - distance] as number;
    this.#length += length;
  }

  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  #makeRoom(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed > this.#maxBytes) throw new Error(`it unpacks to more than ${this.#maxBytes} bytes`);
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.min(this.#maxBytes, needed * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
