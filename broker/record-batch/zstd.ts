import * as zlib from "node:zlib";
import { Decompress } from "fzstd";
import { Unpacked } from "./unpacked.ts";

/** What a decoder sets aside for all frames at most; Zstandard's own tool has it for each. */
const maxWindowBytes = 128 * 1024 * 1024;

/** What a frame for others begins with, but for its last four bits. */
const skippedMagic = 0x184d2a5;

type Native = (packed: Buffer, options: { maxOutputLength: number }) => Buffer;

/** Node has it from 22.15 on. */
const native = (zlib as { zstdDecompressSync?: Native }).zstdDecompressSync;

/**
 * Unpacks Zstandard.
 *
 * @throws {Error} for damaged bytes, or more than `maxBytes`.
 * @see https://www.rfc-editor.org/rfc/rfc8878
 */
export function unpackZstd(packed: Buffer, maxBytes: number): Buffer {
  if (native !== undefined) return native(packed, { maxOutputLength: maxBytes });
  return unpackZstdHere(packed, maxBytes);
}

/** {@link unpackZstd} where Node has none. */
export function unpackZstdHere(packed: Buffer, maxBytes: number): Buffer {
  if (allWindowBytes(packed) > maxWindowBytes) throw new Error("its window is too large");
  const out = new Unpacked(packed.length * 3, maxBytes);
  const stream = new Decompress((part) => {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
    out.append(bytes, 0, bytes.length);
  });
  stream.push(packed, true);
  return out.take();
}

/** Of all frames, one behind the other: how far back each copies from. */
function allWindowBytes(packed: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 4 < packed.length; ) {
    // Kept for others, and of no meaning here.
    if (packed.readUInt32LE(at) >>> 4 === skippedMagic) {
      at += 8 + uint(packed, at + 4, 4);
      continue;
    }
    const { window, bodyAt, hasChecksum } = readHead(packed, at);
    sum += window;
    at = endOfBlocks(packed, bodyAt) + (hasChecksum ? 4 : 0);
  }
  return sum;
}

/** How far back a frame copies from, in bytes, and where its blocks begin. */
function readHead(packed: Buffer, start: number) {
  const descriptor = uint(packed, start + 4, 1);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeAt = start + (isSingle ? 5 : 6) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][descriptor >>> 6] ?? 0;
  const rest = { bodyAt: sizeAt + sizeBytes, hasChecksum: (descriptor & 4) !== 0 };
  if (isSingle) return { window: uint(packed, sizeAt, sizeBytes), ...rest };
  const exponent = uint(packed, start + 5, 1);
  const base = 2 ** (10 + (exponent >>> 3));
  return { window: base + (base / 8) * (exponent & 7), ...rest };
}

function endOfBlocks(packed: Buffer, start: number): number {
  for (let at = start; ; ) {
    const head = uint(packed, at, 3);
    const isRepeated = ((head >>> 1) & 3) === 1;
    at += 3 + (isRepeated ? 1 : head >>> 3);
    if ((head & 1) !== 0) return at;
  }
}

/** @throws {Error} where the bytes end before. */
function uint(packed: Buffer, at: number, bytes: number): number {
  if (at + bytes > packed.length) throw new Error("it ends within its head");
  return bytes === 8 ? Number(packed.readBigUInt64LE(at)) : packed.readUIntLE(at, bytes);
}
