import { Unpacked } from "./unpacked.ts";

const frameMagic = 0x184d2204;

/**
 * Unpacks frames of LZ4. Their checksums are passed over: the batch has one of its own.
 *
 * @throws {Error} for damaged bytes, or more than `maxBytes`.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
 */
export function unpackLz4(packed: Buffer, maxBytes: number): Buffer {
  const out = new Unpacked(packed.length * 3, maxBytes);
  let at = 0;
  do at = unpackFrame(packed, at, out);
  while (at < packed.length);
  return out.take();
}

/** Returns where the frame ends. */
function unpackFrame(packed: Buffer, start: number, out: Unpacked): number {
  if (uint32(packed, start) !== frameMagic) throw new Error("it is no frame of LZ4");
  const flags = packed[start + 4] ?? 0;
  if (flags >>> 6 !== 1) throw new Error(`a frame of LZ4 has version ${flags >>> 6}`);
  if ((flags & 1) !== 0) throw new Error("a frame of LZ4 needs a dictionary");
  const blockChecksum = (flags & 0x10) !== 0 ? 4 : 0;
  const contentSize = (flags & 0x08) !== 0 ? 8 : 0;
  const contentChecksum = (flags & 0x04) !== 0 ? 4 : 0;
  // Flags, block descriptor, size, and the checksum of these.
  let at = start + 4 + 2 + contentSize + 1;
  for (;;) {
    const word = uint32(packed, at);
    at += 4;
    if (word === 0) return at + contentChecksum;
    const end = at + (word & 0x7fff_ffff);
    if (end > packed.length) throw new Error("it ends within a block");
    if (word >>> 31 === 1) out.append(packed, at, end);
    else unpackBlock(packed, at, end, out);
    at = end + blockChecksum;
  }
}

function unpackBlock(packed: Buffer, start: number, end: number, out: Unpacked): void {
  let at = start;
  /** A length of 15 goes on in the bytes that follow, up to one that is not 255. */
  const longer = (length: number): number => {
    if (length < 15) return length;
    let sum = length;
    for (;;) {
      if (at >= end) throw new Error("it ends within a length");
      const byte = packed[at++] as number;
      sum += byte;
      if (byte !== 255) return sum;
    }
  };
  while (at < end) {
    const token = packed[at++] as number;
    const literals = longer(token >>> 4);
    if (at + literals > end) throw new Error("it ends within literal bytes");
    out.append(packed, at, at + literals);
    at += literals;
    // The last sequence has literal bytes alone.
    if (at === end) return;
    if (at + 2 > end) throw new Error("it ends within a copy");
    const distance = packed.readUInt16LE(at);
    at += 2;
    out.repeat(distance, longer(token & 15) + 4);
  }
}

function uint32(packed: Buffer, at: number): number {
  if (at + 4 > packed.length) throw new Error("it ends within a frame");
  return packed.readUInt32LE(at);
}
