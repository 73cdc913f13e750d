/** Castagnoli polynomial, bits reversed. */
const polynomial = 0x82f63b78;

/** Eight tables of 256 entries, one behind the other: slicing-by-8 takes two words a step. */
const table = makeTables();

/** From so many bytes on a view of words pays; it needs the bytes of a word in their order. */
const fewestBytes = new Uint8Array(Int32Array.of(1).buffer)[0] === 1 ? 128 : Infinity;

/**
 * CRC-32C of `buffer[start, end)` as an unsigned 32-bit number; `seed` continues an earlier CRC.
 *
 * @see RFC 3720, appendix B.4; Kounavis and Berry, "Novel table lookup-based algorithms for
 * high-performance CRC generation" (slicing-by-8).
 */
export function crc32c(buffer: Uint8Array, start = 0, end = buffer.length, seed = 0): number {
  if (end - start < fewestBytes) return ~byBytes(buffer, start, end, ~seed) >>> 0;
  const offset = buffer.byteOffset + start;
  // Words stand at multiples of four.
  const aligned = start + (-offset & 3);
  let crc = byBytes(buffer, start, aligned, ~seed);
  const words = new Int32Array(buffer.buffer, buffer.byteOffset + aligned, (end - aligned) >> 2);
  const pairs = words.length & ~1;
  for (let index = 0; index < pairs; index += 2) {
    const low = crc ^ (words[index] as number);
    const high = words[index + 1] as number;
    crc =
      entry(0x700 | (low & 255)) ^
      entry(0x600 | ((low >>> 8) & 255)) ^
      entry(0x500 | ((low >>> 16) & 255)) ^
      entry(0x400 | (low >>> 24)) ^
      entry(0x300 | (high & 255)) ^
      entry(0x200 | ((high >>> 8) & 255)) ^
      entry(0x100 | ((high >>> 16) & 255)) ^
      entry(high >>> 24);
  }
  return ~byBytes(buffer, aligned + 4 * pairs, end, crc) >>> 0;
}

function byBytes(buffer: Uint8Array, start: number, end: number, seed: number): number {
  let crc = seed;
  for (let at = start; at < end; at++) {
    crc = entry((crc ^ (buffer[at] as number)) & 255) ^ (crc >>> 8);
  }
  return crc;
}

function entry(index: number): number {
  return table[index] as number;
}

function makeTables(): Int32Array {
  const made = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    made[byte] = crc;
  }
  for (let index = 256; index < made.length; index++) {
    const shorter = made[index - 256] as number;
    made[index] = (made[shorter & 255] as number) ^ (shorter >>> 8);
  }
  return made;
}
