import * as zlib from "node:zlib";
import { errorOf } from "../../schemas/errors.ts";
import { unpackLz4 } from "./lz4.ts";
import { unpackSnappy } from "./snappy.ts";
import { unpackZstd } from "./zstd.ts";

/** A compressed batch may not grow beyond this: a small one could otherwise take all memory. */
const maxInflatedBytes = 256 * 1024 * 1024;

/** Unpacks to `maxBytes` at most. @throws {Error} when that is too little, or bytes are damaged. */
export type Unpack = (packed: Buffer, maxBytes: number) => Buffer;

/** By the low bits of a batch's attributes. */
const codecs: readonly (Unpack | null)[] = [
  null,
  (packed, maxOutputLength) => zlib.gunzipSync(packed, { maxOutputLength }),
  unpackSnappy,
  unpackLz4,
  unpackZstd,
];

/**
 * The records of a compressed batch. `codec` is the low bits of its attributes.
 *
 * @throws {MillraceError} RECORD_BATCH_UNSUPPORTED when there is no decoder for the codec.
 * @throws {Error} for damaged bytes, or more than 256 MiB of records.
 */
export function inflateRecords(
  codec: number,
  packed: Buffer,
  maxBytes: number = maxInflatedBytes,
): Buffer {
  const unpack = codecs[codec];
  if (unpack) return unpack(packed, maxBytes);
  throw errorOf("RECORD_BATCH_UNSUPPORTED", { codec: `codec ${codec}` });
}
