import { partitionOf } from "../murmur2.ts";
import { type Encoded, encoded, encodingVerb, type HasText } from "./encoding.ts";

/** 1 where the murmur2 of its UTF-8, modulo the buckets, is the bucket. */
export interface HashedEncoding {
  readonly kind: "hashed";
  readonly buckets: number;
  readonly bucket: number;
}

const bucketsMax = 256;

/**
 * A feature for each bucket, 1 where the text falls into it: that is the murmur2 of its UTF-8 as
 * Kafka's partitioner has it, `(murmur2 & 0x7fffffff) mod buckets`. No text is unknown; all are
 * missing where the field is null. They are called `name_hash_0` and so on.
 *
 * @param buckets - 2 to 256.
 * @example request: { shop: hashed("shop", 16) }
 */
export const hashed = encodingVerb(
  <F extends string>(field: F, buckets: number): Encoded<HasText<F>, `hash_${bigint}`> => {
    const isRight = Number.isInteger(buckets) && buckets >= 2 && buckets <= bucketsMax;
    const encodings = Array.from({ length: isRight ? buckets : 0 }, (_, bucket) => {
      const encoding: HashedEncoding = { kind: "hashed", buckets, bucket };
      return { suffix: `hash_${bucket}`, encoding };
    });
    return encoded(field, encodings, isRight ? null : `hashed() needs 2 to ${bucketsMax} buckets`);
  },
  {
    kind: "hashed",
    encoder: ({ buckets, bucket }: HashedEncoding) => {
      return (text) => (partitionOf(text, buckets) === bucket ? 1 : 0);
    },
    text: ({ buckets, bucket }, field) => `${field} is in bucket ${bucket} of ${buckets}`,
  },
);
