/** Reads one answer of Kafka's protocol; a short answer throws a RangeError. */
export class WireReader {
  readonly #buffer: Buffer;
  #at = 0;
  /** How long the broker asks us to wait (KIP-219); set by whoever reads it. */
  throttleMs = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  int8(): number {
    this.#at += 1;
    return this.#buffer.readInt8(this.#at - 1);
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  int16(): number {
    this.#at += 2;
    return this.#buffer.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#buffer.readInt32BE(this.#at - 4);
  }

  /** Exact to 2^53. */
  int64(): number {
    this.#at += 8;
    return Number(this.#buffer.readBigInt64BE(this.#at - 8));
  }

  /** 16 bytes as 32 hexadecimal digits. */
  uuid(): string {
    return this.#take(16).toString("hex");
  }

  string(): string {
    return this.nullableString() ?? "";
  }

  nullableString(): string | null {
    const size = this.int16();
    return size < 0 ? null : this.#take(size).toString("utf8");
  }

  compactString(): string {
    return this.compactNullableString() ?? "";
  }

  compactNullableString(): string | null {
    const size = this.unsignedVarint() - 1;
    return size < 0 ? null : this.#take(size).toString("utf8");
  }

  /** A view of the answer, not a copy; null reads as empty. */
  bytes(): Buffer {
    const size = this.int32();
    return this.#take(Math.max(0, size));
  }

  /** Null reads as empty. */
  array<T>(read: () => T): T[] {
    return this.#items(this.int32(), read);
  }

  compactArray<T>(read: () => T): T[] {
    return this.#items(this.unsignedVarint() - 1, read);
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#buffer.readUInt8(this.#at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        break;
      }
    }
    return value >>> 0;
  }

  skipTags(): void {
    for (let count = this.unsignedVarint(); count > 0; count--) {
      this.unsignedVarint();
      this.#take(this.unsignedVarint());
    }
  }

  #items<T>(count: number, read: () => T): T[] {
    const items: T[] = [];
    for (let index = 0; index < count; index++) {
      items.push(read());
    }
    return items;
  }

  #take(size: number): Buffer {
    const end = this.#at + size;
    if (end > this.#buffer.length) {
      throw new RangeError(`the answer ends at byte ${this.#buffer.length}, ${end} are needed`);
    }
    const taken = this.#buffer.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}
