/**
 * Writes one request of Kafka's protocol, size and header included, into one buffer that grows.
 * `compact` forms are those of flexible versions: length + 1 as an unsigned varint.
 */
export class WireWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes: number) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** Ends the request: fills in its size. The buffer is the writer's own: write no more. */
  finish(): Buffer {
    this.#buffer.writeInt32BE(this.#length - 4, 0);
    return this.#buffer.subarray(0, this.#length);
  }

  int8(value: number): void {
    const at = this.#advance(1);
    this.#buffer.writeInt8(value, at);
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  int16(value: number): void {
    const at = this.#advance(2);
    this.#buffer.writeInt16BE(value, at);
  }

  int32(value: number): void {
    const at = this.#advance(4);
    this.#buffer.writeInt32BE(value, at);
  }

  int64(value: number): void {
    const at = this.#advance(8);
    this.#buffer.writeBigInt64BE(BigInt(value), at);
  }

  string(value: string): void {
    const size = Buffer.byteLength(value);
    this.int16(size);
    this.#utf8(value, size);
  }

  nullableString(value: string | null): void {
    if (value === null) {
      this.int16(-1);
    } else {
      this.string(value);
    }
  }

  compactString(value: string): void {
    const size = Buffer.byteLength(value);
    this.unsignedVarint(size + 1);
    this.#utf8(value, size);
  }

  compactNullableString(value: string | null): void {
    if (value === null) {
      this.unsignedVarint(0);
    } else {
      this.compactString(value);
    }
  }

  /** 16 zero bytes: no topic id. */
  zeroUuid(): void {
    const at = this.#advance(16);
    this.#buffer.fill(0, at, at + 16);
  }

  bytes(value: Uint8Array): void {
    this.int32(value.length);
    this.raw(value);
  }

  /** Copies as is; returns the copy's place in the request, valid until the next write. */
  raw(value: Uint8Array): Buffer {
    const at = this.#advance(value.length);
    this.#buffer.set(value, at);
    return this.#buffer.subarray(at, at + value.length);
  }

  array<T>(items: readonly T[], write: (item: T) => void): void {
    this.int32(items.length);
    for (const item of items) {
      write(item);
    }
  }

  compactArray<T>(items: readonly T[], write: (item: T) => void): void {
    this.unsignedVarint(items.length + 1);
    for (const item of items) {
      write(item);
    }
  }

  unsignedVarint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.int8Unsigned((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.int8Unsigned(rest);
  }

  /** An empty section of tagged fields. */
  noTags(): void {
    this.int8(0);
  }

  int8Unsigned(value: number): void {
    const at = this.#advance(1);
    this.#buffer[at] = value;
  }

  #utf8(value: string, size: number): void {
    const at = this.#advance(size);
    this.#buffer.write(value, at, size, "utf8");
  }

  #advance(size: number): number {
    const at = this.#length;
    if (at + size > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, at + size));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    this.#length = at + size;
    return at;
  }
}
