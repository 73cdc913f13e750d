const seed = 0x9747b28c;
const m = 0x5bd1e995;

/**
 * Kafka's murmur2 of a byte range, as a signed 32-bit integer.
 *
 * @see org.apache.kafka.common.utils.Utils.murmur2
 */
export function murmur2(bytes: Uint8Array, start = 0, end = bytes.length): number {
  const length = end - start;
  let h = seed ^ length;
  const whole = start + (length & ~3);
  for (let i = start; i < whole; i += 4) {
    let k =
      (bytes[i] as number) |
      ((bytes[i + 1] as number) << 8) |
      ((bytes[i + 2] as number) << 16) |
      ((bytes[i + 3] as number) << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    h = Math.imul(h, m) ^ Math.imul(k, m);
  }
  const rest = end - whole;
  if (rest === 3) h ^= (bytes[whole + 2] as number) << 16;
  if (rest >= 2) h ^= (bytes[whole + 1] as number) << 8;
  if (rest >= 1) h = Math.imul(h ^ (bytes[whole] as number), m);
  h ^= h >>> 13;
  h = Math.imul(h, m);
  return h ^ (h >>> 15);
}

const scratch = Buffer.allocUnsafe(1024);

/**
 * Partition of a text key: `(murmur2(UTF-8) & 0x7fffffff) mod partitions`, as Kafka's default
 * partitioner.
 */
export function partitionOf(key: string, partitions: number): number {
  const length = key.length <= 256 ? scratch.write(key, 0, "utf8") : -1;
  const hash = length >= 0 ? murmur2(scratch, 0, length) : murmur2(Buffer.from(key, "utf8"));
  return (hash & 0x7fffffff) % partitions;
}
