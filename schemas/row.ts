import type { ByteReader, ByteWriter } from "./bytes.ts";

/** Version of the layout below; a reader refuses another. */
export const rowVersion = 1;

/**
 * A feature row as it stands in a row topic; the record key is the entity key (UTF-8).
 * Layout, little endian: u8 version, u8 served (0 exact, 1 tiled), f64 asOf, u32 seq,
 * f64 validUntil (NaN: nothing left to expire), u16 n, n × f64 (NaN: null).
 * The row holds for q in `(asOf, validUntil]`; unique by (entity, asOf, seq), highest seq wins.
 */
export interface FeatureRow {
  served: number;
  asOf: number;
  seq: number;
  validUntil: number;
  values: Float64Array;
}

export function writeRow(writer: ByteWriter, row: FeatureRow): void {
  writer.u8(rowVersion);
  writer.u8(row.served);
  writer.f64(row.asOf);
  writer.u32(row.seq);
  writer.f64(row.validUntil);
  writer.u16(row.values.length);
  for (let i = 0; i < row.values.length; i++) writer.f64(row.values[i] as number);
}

/** Reads into `row`, reusing its array when the length fits. */
export function readRow(reader: ByteReader, row: FeatureRow): void {
  const version = reader.u8();
  if (version !== rowVersion) throw new RangeError(`feature row layout ${version} is not known`);
  row.served = reader.u8();
  row.asOf = reader.f64();
  row.seq = reader.u32();
  row.validUntil = reader.f64();
  const length = reader.u16();
  if (row.values.length !== length) row.values = new Float64Array(length);
  for (let i = 0; i < length; i++) row.values[i] = reader.f64();
}
