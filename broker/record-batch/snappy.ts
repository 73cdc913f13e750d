import { Unpacked } from "./unpacked.ts";

/** In front of what Java's snappy-java writes: blocks behind their lengths. */
const javaMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** The magic and two versions of four bytes. */
const javaHeaderBytes = 16;

/**
 * Unpacks snappy, one block as librdkafka writes it or many as Java does.
 *
 * @throws {Error} for damaged bytes, or more than `maxBytes`.
 * @see https://github.com/google/snappy/blob/main/format_description.txt
 */
export function unpackSnappy(packed: Buffer, maxBytes: number): Buffer {
  if (!packed.subarray(0, javaMagic.length).equals(javaMagic)) {
    const out = new Unpacked(lengthOf(packed, 0).value, maxBytes);
    unpackBlock(packed, out);
    return out.take();
  }
  const out = new Unpacked(packed.length * 2, maxBytes);
  for (let at = javaHeaderBytes; at < packed.length; ) {
    if (at + 4 > packed.length) throw new Error("it ends before the length of a block");
    const end = at + 4 + packed.readUInt32BE(at);
    if (end > packed.length) throw new Error("it ends within a block");
    unpackBlock(packed.subarray(at + 4, end), out);
    at = end;
  }
  return out.take();
}

function unpackBlock(packed: Buffer, out: Unpacked): void {
  const { value: length, next } = lengthOf(packed, 0);
  const end = out.length + length;
  let at = next;
  while (at < packed.length) {
    const tag = packed[at++] as number;
    if ((tag & 3) === 0) {
      let size = tag >>> 2;
      if (size >= 60) {
        const bytes = size - 59;
        size = littleEndian(packed, at, bytes);
        at += bytes;
      }
      out.append(packed, at, at + size + 1);
      at += size + 1;
    } else if ((tag & 3) === 1) {
      const distance = ((tag >>> 5) << 8) | littleEndian(packed, at, 1);
      out.repeat(distance, ((tag >>> 2) & 7) + 4);
      at += 1;
    } else {
      const bytes = (tag & 3) === 2 ? 2 : 4;
      out.repeat(littleEndian(packed, at, bytes), (tag >>> 2) + 1);
      at += bytes;
    }
    if (out.length > end) throw new Error("a block is longer than it says");
  }
  if (out.length !== end) throw new Error("a block is shorter than it says");
}

/** The number of bytes that a block unpacks to, in front of it. */
function lengthOf(packed: Buffer, from: number): { value: number; next: number } {
  let value = 0;
  for (let at = from, shift = 0; at < packed.length && shift < 35; at++, shift += 7) {
    const byte = packed[at] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, next: at + 1 };
  }
  throw new Error("a block does not say its length");
}

function littleEndian(packed: Buffer, at: number, bytes: number): number {
  if (at + bytes > packed.length) throw new Error("it ends within a copy");
  return packed.readUIntLE(at, bytes);
}
