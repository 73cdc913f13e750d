import type { ByteWriter } from "../schemas/bytes.ts";

/** RowBinary: little endian, no names, one value after the other. */

/** Int64 of a safe integer, or of a bigint (UInt64 too); DateTime64(3) is its milliseconds. */
export function int64(writer: ByteWriter, value: number | bigint): void {
  if (typeof value === "bigint") {
    const at = writer.reserve(8);
    writer.buffer.writeBigUInt64LE(BigInt.asUintN(64, value), at);
    return;
  }
  const high = Math.floor(value / 2 ** 32);
  const at = writer.reserve(8);
  writer.buffer.writeUInt32LE(value - high * 2 ** 32, at);
  writer.buffer.writeInt32LE(high, at + 4);
}

/** Int128 of a whole number of 64 bits, with a sign or without one. */
export function int128(writer: ByteWriter, value: number | bigint): void {
  const whole = BigInt(value);
  const at = writer.reserve(16);
  writer.buffer.writeBigUInt64LE(BigInt.asUintN(64, whole), at);
  writer.buffer.writeBigInt64LE(whole < 0n ? -1n : 0n, at + 8);
}

/** Bytes behind their length as a LEB128 number. */
export function stringBytes(writer: ByteWriter, bytes: Uint8Array): void {
  length(writer, bytes.length);
  writer.raw(bytes, 0, bytes.length);
}

/** A Map of texts and numbers, in the order of its entries. */
export function numbersByText(
  writer: ByteWriter,
  entries: readonly (readonly [string, number])[],
): void {
  length(writer, entries.length);
  for (const [text, number] of entries) {
    string(writer, text);
    writer.f64(number);
  }
}

export function string(writer: ByteWriter, text: string): void {
  if (text.length < 42) {
    // At most 126 bytes of UTF-8: one byte of length, written behind.
    const lengthAt = writer.reserve(1);
    const start = writer.reserve(126);
    const written = writer.buffer.write(text, start, "utf8");
    writer.buffer[lengthAt] = written;
    writer.position = start + written;
    return;
  }
  stringBytes(writer, Buffer.from(text, "utf8"));
}

/** A slice of a buffer as a String. */
export function stringSlice(writer: ByteWriter, buffer: Buffer, start: number, end: number): void {
  length(writer, end - start);
  writer.raw(buffer, start, end);
}

/** Nullable(Float64), NaN as NULL. */
export function nullableFloat64(writer: ByteWriter, value: number): void {
  if (Number.isNaN(value)) {
    writer.u8(1);
    return;
  }
  writer.u8(0);
  writer.f64(value);
}

function length(writer: ByteWriter, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    writer.u8((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  writer.u8(rest);
}
