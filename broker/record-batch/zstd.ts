import * as zlib from "node:zlib";
import { Decompress } from "fzstd";
import { Unpacked } from "./unpacked.ts";

/** What a decoder sets aside for a frame at most, as Zstandard's own tool has it. */
const maxWindowBytes = 128 * 1024 * 1024;

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
  if (windowBytes(packed) > maxWindowBytes) throw new Error("its window is too large");
  const out = new Unpacked(packed.length * 3, maxBytes);
  const stream = new Decompress((part) => {
    const bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
    out.append(bytes, 0, bytes.length);
  });
  stream.push(packed, true);
  return out.take();
}

/** Of the first frame: how far back it copies from. */
function windowBytes(packed: Buffer): number {
  const descriptor = packed[4] ?? 0;
  const isSingle = (descriptor & 0x20) !== 0;
  if (!isSingle) {
    const window = packed[5] ?? 0;
    const base = 2 ** (10 + (window >>> 3));
    return base + (base / 8) * (window & 7);
  }
  const sizeBytes = [1, 2, 4, 8][descriptor >>> 6] ?? 1;
  const at = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  if (at + sizeBytes > packed.length) throw new Error("it ends within its head");
  return sizeBytes === 8 ? Number(packed.readBigUInt64LE(at)) : packed.readUIntLE(at, sizeBytes);
}
