/** Stored mantissa bits of a double: buckets of this resolution hold one value each. */
export const exactBits = 52;

const word = new DataView(new ArrayBuffer(8));

/** Below it doubles are subnormal: their mantissa has no leading 1. */
const normalFrom = 2 ** -1022;
/** Makes subnormal doubles normal, exactly. */
const lift = 2 ** 60;

/**
 * Where the bucket of a value begins, seen from 0: the value with all but the first `bits` of its
 * mantissa cut off. Done on the bits, so that every machine gives the same; never −0.
 *
 * @param bits - 0 to 20, or `exactBits`.
 */
export function bucketOf(value: number, bits: number): number {
  if (bits === exactBits) return value + 0;
  if (value < normalFrom && value > -normalFrom) return cut(value * lift, bits) / lift + 0;
  return cut(value, bits) + 0;
}

/**
 * The middle of a bucket: at most 2^−(bits + 1) of a value in it away from that value (0.79 % for 6
 * bits); ±Infinity and 0 are buckets of their own.
 */
export function middleOf(bucket: number, bits: number): number {
  if (bits === exactBits || bucket === 0 || !Number.isFinite(bucket)) return bucket;
  if (bucket >= normalFrom || bucket <= -normalFrom) return middle(bucket, bits);
  // Whole multiples of the least double: half of one is not added.
  const multiple = middle(bucket * lift, bits) * 2 ** 1014;
  return Math.trunc(multiple) * Number.MIN_VALUE;
}

function cut(value: number, bits: number): number {
  word.setFloat64(0, value);
  word.setInt32(0, word.getInt32(0) & (-1 << (20 - bits)));
  word.setInt32(4, 0);
  return word.getFloat64(0);
}

function middle(bucket: number, bits: number): number {
  word.setFloat64(0, bucket);
  word.setInt32(0, word.getInt32(0) | (1 << (19 - bits)));
  return word.getFloat64(0);
}
