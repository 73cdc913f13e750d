import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** As text in base 16: rare, and as long as it needs. */
export function writeBigInt(writer: ByteWriter, value: bigint): void {
  writer.text(value.toString(16));
}

export function readBigInt(reader: ByteReader): bigint {
  const text = reader.text();
  return text.startsWith("-") ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
}
