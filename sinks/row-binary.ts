import type { ByteWriter } from "../schemas/bytes.ts";

const twoTo32 = 4_294_967_296;

/** A 64-bit integer, exact up to 2^53 either side of zero; also DateTime64(3) as UTC ms. */
export function writeInt64(writer: ByteWriter, value: number): void {
  const high = Math.floor(value / twoTo32);
  const at = writer.reserve(8);
  writer.buffer.writeUInt32LE(value - high * twoTo32, at);
  writer.buffer.writeInt32LE(high, at + 4);
}

/** NaN stands for NULL. */
export function writeNullableFloat64(writer: ByteWriter, value: number): void {
  if (Number.isNaN(value)) {
    writer.u8(1);
    return;
  }
  const at = writer.reserve(9);
  writer.buffer[at] = 0;
  writer.buffer.writeDoubleLE(value, at + 1);
}

/** NaN stands for NULL. */
export function writeNullableInt64(writer: ByteWriter, value: number): void {
  writer.u8(Number.isNaN(value) ? 1 : 0);
  if (!Number.isNaN(value)) writeInt64(writer, value);
}

/** UTF-8 behind its length as a variable-length integer. */
export function writeString(writer: ByteWriter, text: string): void {
  const most = text.length * 3;
  if (most < 0x80) {
    const at = writer.reserve(1 + most);
    const written = writer.buffer.write(text, at + 1, "utf8");
    writer.buffer[at] = written;
    writer.position = at + 1 + written;
    return;
  }
  const length = Buffer.byteLength(text, "utf8");
  writeLength(writer, length);
  writer.buffer.write(text, writer.reserve(length), "utf8");
}

export function writeNullableString(writer: ByteWriter, text: string | null): void {
  writer.u8(text === null ? 1 : 0);
  if (text !== null) writeString(writer, text);
}

/** A String of any bytes: `[start, end)` of the source. */
export function writeBytes(
  writer: ByteWriter,
  source: Uint8Array,
  start: number,
  end: number,
): void {
  writeLength(writer, end - start);
  writer.raw(source, start, end);
}

function writeLength(writer: ByteWriter, length: number): void {
  let rest = length;
  while (rest >= 0x80) {
    writer.u8((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  writer.u8(rest);
}
