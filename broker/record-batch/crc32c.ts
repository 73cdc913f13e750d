/** Castagnoli polynomial, bits reversed. */
const polynomial = 0x82f63b78;

/** Eight tables of 256 entries: slicing-by-8 takes eight bytes a step. */
const tables = makeTables();

/**
 * CRC-32C of `buffer[start, end)` as an unsigned 32-bit number; `seed` continues an earlier CRC.
 *
 * @see RFC 3720, appendix B.4; Kounavis and Berry, "Novel table lookup-based algorithms for
 * high-performance CRC generation" (slicing-by-8).
 */
export function crc32c(buffer: Uint8Array, start = 0, end = buffer.length, seed = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables;
  let crc = ~seed;
  let at = start;
  for (const last = end - 8; at <= last; at += 8) {
    const low = crc ^ word(buffer, at);
    const high = word(buffer, at + 4);
    crc =
      entry(t7, low & 255) ^
      entry(t6, (low >>> 8) & 255) ^
      entry(t5, (low >>> 16) & 255) ^
      entry(t4, low >>> 24) ^
      entry(t3, high & 255) ^
      entry(t2, (high >>> 8) & 255) ^
      entry(t1, (high >>> 16) & 255) ^
      entry(t0, high >>> 24);
  }
  for (; at < end; at++) crc = entry(t0, (crc ^ (buffer[at] as number)) & 255) ^ (crc >>> 8);
  return ~crc >>> 0;
}

function word(buffer: Uint8Array, at: number): number {
  return (
    (buffer[at] as number) |
    ((buffer[at + 1] as number) << 8) |
    ((buffer[at + 2] as number) << 16) |
    ((buffer[at + 3] as number) << 24)
  );
}

function entry(table: Int32Array, index: number): number {
  return table[index] as number;
}

type Tables = readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function makeTables(): Tables {
  const made = Array.from({ length: 8 }, () => new Int32Array(256)) as unknown as Tables;
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    made[0][byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = entry(made[0], byte);
    for (const table of made.slice(1)) {
      crc = entry(made[0], crc & 255) ^ (crc >>> 8);
      table[byte] = crc;
    }
  }
  return made;
}
