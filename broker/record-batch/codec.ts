import * as zlib from "node:zlib";
import { errorOf } from "../../schemas/errors.ts";

/** A compressed batch may not grow beyond this: a small one could otherwise take all memory. */
const maxInflatedBytes = 256 * 1024 * 1024;

const names = ["none", "gzip", "snappy", "lz4", "zstd"] as const;

type Inflate = (packed: Buffer, options: { maxOutputLength: number }) => Buffer;

/** Node has zstd from 22.15 on. */
const zstd = (zlib as { zstdDecompressSync?: Inflate }).zstdDecompressSync;

/**
 * The records of a compressed batch. `codec` is the low bits of its attributes.
 *
 * @throws {MillraceError} RECORD_BATCH_UNSUPPORTED when there is no decoder for the codec.
 */
export function inflateRecords(codec: number, packed: Buffer): Buffer {
  const options = { maxOutputLength: maxInflatedBytes };
  if (codec === 1) return zlib.gunzipSync(packed, options);
  if (codec === 4 && zstd !== undefined) return zstd(packed, options);
  throw errorOf("RECORD_BATCH_UNSUPPORTED", {
    codec: names[codec] ?? `codec ${codec}`,
    ...(codec === 4 ? { node: process.version } : {}),
  });
}
