/** What one value may cost at most, whatever its schema says. */
export const valueLimits = {
  /** Fields, items and branches that are read or passed over. */
  steps: 1_048_576,
  /** Records, arrays, maps and unions within each other. */
  depth: 1_000,
} as const;

/** Why a value is not what its schema says. */
export class AvroValueError extends Error {}

/** Bytes of an ASCII text that is looked for among those read before. */
const shortText = 16;

/** Short texts kept at hand, a power of two: codes and names come again and again. */
const knownTexts = 2_048;

/**
 * Encoded bytes under a position. All reads are checked against the end of the value, and each
 * counts against {@link valueLimits}.
 */
export class AvroInput {
  buffer: Buffer = Buffer.alloc(0);
  position = 0;
  #end = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #steps = 0;
  #depth = 0;
  readonly #texts: string[] = Array(knownTexts).fill("");

  open(buffer: Buffer, start: number, end: number): void {
    if (buffer !== this.buffer) {
      this.buffer = buffer;
      this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
    }
    this.position = start;
    this.#end = end;
    this.#steps = 0;
    this.#depth = 0;
  }

  get atEnd(): boolean {
    return this.position === this.#end;
  }

  /** Counts what is done for a value. */
  count(steps: number): void {
    this.#steps += steps;
    if (this.#steps > valueLimits.steps) fail(`it takes more than ${valueLimits.steps} steps`);
  }

  /** Into a type that holds others: so many, as far as that is known. */
  descend(parts: number): void {
    if (++this.#depth > valueLimits.depth) fail(`it nests deeper than ${valueLimits.depth}`);
    this.count(parts);
  }

  ascend(): void {
    this.#depth--;
  }

  boolean(): boolean {
    return this.buffer[this.skip(1)] !== 0;
  }

  float(): number {
    return this.#view.getFloat32(this.skip(4), true);
  }

  double(): number {
    return this.#view.getFloat64(this.skip(8), true);
  }

  int(): number {
    const value = this.long();
    if (typeof value === "bigint" || value !== (value | 0)) fail("an int is beyond 32 bits");
    return value as number;
  }

  /** A number within ±(2^53 − 1), a bigint beyond. */
  long(): number | bigint {
    const { buffer } = this;
    let at = this.position;
    let byte = buffer[at++] as number;
    let low = byte & 0x7f;
    if (byte >= 0x80) {
      byte = buffer[at++] as number;
      low |= (byte & 0x7f) << 7;
      if (byte >= 0x80) {
        byte = buffer[at++] as number;
        low |= (byte & 0x7f) << 14;
        if (byte >= 0x80) {
          byte = buffer[at++] as number;
          low |= (byte & 0x7f) << 21;
          if (byte >= 0x80) return this.#longer(low, at);
        }
      }
    }
    if (at > this.#end) fail(cut);
    this.position = at;
    return (low >>> 1) ^ -(low & 1);
  }

  /** Of an array or a map: how many items follow; 0 at its end. */
  blockCount(): number {
    const count = this.long();
    if (count === 0) return 0;
    if (count < 0) this.long();
    const items = Number(count < 0 ? -count : count);
    if (items > valueLimits.steps) fail(`it has a block of ${items} items`);
    return items;
  }

  /** Passes over a whole block where its size is told: 0 at the end, −1 where it was passed. */
  skipBlock(): number {
    const count = this.long();
    if (count >= 0) {
      if (count > Number.MAX_SAFE_INTEGER) fail(cut);
      return count as number;
    }
    this.skip(this.#size());
    return -1;
  }

  /** Passes over a length and what it counts; returns where that began. */
  skipSized(): number {
    return this.skip(this.#size());
  }

  /** Passes over bytes; returns where they began. */
  skip(bytes: number): number {
    const start = this.position;
    const next = start + bytes;
    if (next > this.#end) fail(cut);
    this.position = next;
    return start;
  }

  text(): string {
    const start = this.skipSized();
    const end = this.position;
    const { buffer } = this;
    if (end - start > shortText) return buffer.toString("utf8", start, end);
    let hash = end - start;
    for (let at = start; at < end; at++) {
      const byte = buffer[at] as number;
      if (byte >= 0x80) return buffer.toString("utf8", start, end);
      hash = Math.imul(hash ^ byte, 0x0100_0193);
    }
    const slot = (hash ^ (hash >>> 15)) & (knownTexts - 1);
    const known = this.#texts[slot] as string;
    if (isText(known, buffer, start, end)) return known;
    let text = "";
    for (let at = start; at < end; at++) text += String.fromCharCode(buffer[at] as number);
    this.#texts[slot] = text;
    return text;
  }

  /** A copy. */
  bytes(size: number = this.#size()): Buffer {
    const start = this.skip(size);
    return Buffer.from(this.buffer.subarray(start, this.position));
  }

  #size(): number {
    const size = this.long();
    if (size < 0 || size > Number.MAX_SAFE_INTEGER) fail(cut);
    return size as number;
  }

  /** The rest of a number of which four bytes are read: 28 bits more, then the last 8. */
  #longer(low: number, from: number): number | bigint {
    const { buffer } = this;
    let at = from;
    let middle = 0;
    let high = 0;
    let byte = 0x80;
    for (let shift = 0; shift < 28 && byte >= 0x80; shift += 7) {
      byte = buffer[at++] as number;
      middle |= (byte & 0x7f) << shift;
    }
    for (let shift = 0; shift < 14 && byte >= 0x80; shift += 7) {
      byte = buffer[at++] as number;
      high |= (byte & 0x7f) << shift;
    }
    if (byte >= 0x80) fail("a number has more than ten bytes");
    if (at > this.#end) fail(cut);
    this.position = at;
    if (high === 0 && middle < 0x200_0000) {
      const zigzag = low + middle * 0x1000_0000;
      return (low & 1) === 0 ? zigzag * 0.5 : (zigzag + 1) * -0.5;
    }
    const zigzag = (BigInt(high & 0xff) << 56n) | (BigInt(middle) << 28n) | BigInt(low);
    const value = (zigzag >> 1n) ^ -(zigzag & 1n);
    return exact(value);
  }
}

/** An integer as decoded records have it: a number where a double is exact. */
export function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function isText(text: string, buffer: Buffer, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let at = start; at < end; at++) {
    if (text.charCodeAt(at - start) !== buffer[at]) return false;
  }
  return true;
}

const cut = "it ends before its value does";

export function fail(reason: string): never {
  throw new AvroValueError(reason);
}
