import { isUtf8 } from "node:buffer";

/** Messages within each other: Protobuf's own limit. */
const maxDepth = 100;

/** Why a value is no message of its type. */
export class WireError extends Error {}

export function fail(reason: string): never {
  throw new WireError(reason);
}

/** Numbers of the wire types, in front of each field. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, group: 3, end: 4, fixed32: 5 } as const;

const twoTo32 = 0x1_0000_0000;

/**
 * Protobuf's wire format under a position, up to an end that a message within the message moves.
 *
 * @see https://protobuf.dev/programming-guides/encoding
 */
export class WireInput {
  buffer: Buffer = Buffer.alloc(0);
  position = 0;
  end = 0;
  #depth = 0;
  #low = 0;
  #high = 0;

  open(buffer: Buffer, start: number, end: number): void {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
    this.#depth = 0;
  }

  /** Takes the tag of a field: its number · 8 and its wire type. */
  tag(): number {
    this.#varint();
    if (this.#high !== 0 || this.#low < 8) fail("a field has no number that there is");
    return this.#low;
  }

  signed(): number | bigint {
    this.#varint();
    const [low, high] = [this.#low, this.#high];
    const near = (high | 0) * twoTo32 + low;
    return Number.isSafeInteger(near) ? near : BigInt.asIntN(64, whole(low, high));
  }

  unsigned(): number | bigint {
    this.#varint();
    const [low, high] = [this.#low, this.#high];
    const near = high * twoTo32 + low;
    return Number.isSafeInteger(near) ? near : whole(low, high);
  }

  zigzag(): number | bigint {
    const value = this.unsigned();
    if (typeof value === "bigint") {
      const half = (value >> 1n) ^ -(value & 1n);
      const near = Number(half);
      return Number.isSafeInteger(near) ? near : half;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bool(): boolean {
    this.#varint();
    return this.#low !== 0 || this.#high !== 0;
  }

  /** A whole number of 32 bits, as enums have it. */
  int32(): number {
    this.#varint();
    return this.#low | 0;
  }

  fixed32(): number {
    return this.buffer.readUInt32LE(this.#take(4));
  }

  sfixed32(): number {
    return this.buffer.readInt32LE(this.#take(4));
  }

  float(): number {
    return this.buffer.readFloatLE(this.#take(4));
  }

  fixed64(): number | bigint {
    const at = this.#take(8);
    const [low, high] = [this.buffer.readUInt32LE(at), this.buffer.readUInt32LE(at + 4)];
    const near = high * twoTo32 + low;
    return Number.isSafeInteger(near) ? near : whole(low, high);
  }

  sfixed64(): number | bigint {
    const at = this.#take(8);
    const [low, high] = [this.buffer.readUInt32LE(at), this.buffer.readInt32LE(at + 4)];
    const near = high * twoTo32 + low;
    return Number.isSafeInteger(near) ? near : BigInt.asIntN(64, whole(low, high >>> 0));
  }

  double(): number {
    return this.buffer.readDoubleLE(this.#take(8));
  }

  text(): string {
    const start = this.#bytes();
    const { buffer, position } = this;
    for (let at = start; at < position; at++) {
      if ((buffer[at] as number) < 0x80) continue;
      if (!isUtf8(buffer.subarray(start, position))) fail("it is no UTF-8");
      return buffer.toString("utf8", start, position);
    }
    return buffer.toString("latin1", start, position);
  }

  /** Bytes as base64, which is what Protobuf's JSON makes of them. */
  base64(): string {
    const start = this.#bytes();
    return this.buffer.toString("base64", start, this.position);
  }

  /** A view of the bytes, not a copy. */
  bytes(): Buffer {
    const start = this.#bytes();
    return this.buffer.subarray(start, this.position);
  }

  /** Into what stands behind a length; gives the end that is there now, for {@link ascend}. */
  descend(): number {
    const start = this.#bytes();
    const { end } = this;
    if (++this.#depth >= maxDepth) fail(`it nests deeper than ${maxDepth}`);
    this.end = this.position;
    this.position = start;
    return end;
  }

  ascend(end: number): void {
    this.#depth--;
    this.end = end;
  }

  /** Passes over a field of any type. */
  skip(tag: number): void {
    switch (tag & 7) {
      case wireTypes.varint:
        this.#varint();
        return;
      case wireTypes.fixed64:
        this.#take(8);
        return;
      case wireTypes.bytes:
        this.#bytes();
        return;
      case wireTypes.fixed32:
        this.#take(4);
        return;
      case wireTypes.group:
        this.#skipGroup(tag);
        return;
      default:
        fail(`field ${tag >>> 3} has wire type ${tag & 7}, which begins none`);
    }
  }

  #skipGroup(start: number): void {
    if (++this.#depth >= maxDepth) fail(`it nests deeper than ${maxDepth}`);
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) === wireTypes.end) {
        if (tag >>> 3 !== start >>> 3) fail("a group ends as another one than it began");
        this.#depth--;
        return;
      }
      this.skip(tag);
    }
  }

  /** Takes a length and as many bytes; gives where they start. */
  #bytes(): number {
    this.#varint();
    return this.#take(this.#high * twoTo32 + this.#low);
  }

  #take(bytes: number): number {
    const start = this.position;
    if (bytes > this.end - start) fail("it ends within a field");
    this.position = start + bytes;
    return start;
  }

  #varint(): void {
    const { buffer, end } = this;
    let [low, high] = [0, 0];
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.position >= end) fail("it ends within a field");
      const byte = buffer[this.position++] as number;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    fail("a number has more than 10 bytes");
  }
}

function whole(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
