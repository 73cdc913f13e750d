import type { ByteReader, ByteWriter } from "./bytes.ts";

/** Versions of the layout below: of numbers alone, and of numbers and values. */
const numbersOnly = 1;
const withValues = 2;

/**
 * A feature row as it stands in a row topic; the record key is the entity key (UTF-8).
 * Layout, little endian: u8 version, u8 served (0 exact, 1 tiled), f64 asOf, u32 seq,
 * f64 validUntil (NaN: nothing left to expire), u16 n, n × f64 (NaN: null) of the columns that hold
 * numbers. In version 2 the other columns follow up to the end, each as `row-codec.ts` writes a
 * field that may be null (`valueLayout`); version 1 is the row of a view that has none.
 * What stands before the values is no row of a layout: it has widths that none has, and stored rows
 * and foreign readers go by its bytes.
 * The row holds for q in `(asOf, validUntil]`; unique by (entity, asOf, seq), highest seq wins.
 */
export interface FeatureRow {
  served: number;
  asOf: number;
  seq: number;
  validUntil: number;
  /** Of the columns that hold numbers. */
  values: Float64Array;
  /** The other columns as they are written; `featureValues` reads them. @default there are none */
  others?: Buffer | undefined;
}

export function writeRow(writer: ByteWriter, row: FeatureRow): void {
  writer.u8(row.others === undefined ? numbersOnly : withValues);
  writer.u8(row.served);
  writer.f64(row.asOf);
  writer.u32(row.seq);
  writer.f64(row.validUntil);
  writer.u16(row.values.length);
  for (let i = 0; i < row.values.length; i++) writer.f64(row.values[i] as number);
  if (row.others !== undefined) writer.raw(row.others, 0, row.others.length);
}

/**
 * Reads into `row`, reusing its array when the length fits; the row ends where the reader does.
 *
 * @throws {RangeError} for a version that this build does not know.
 */
export function readRow(reader: ByteReader, row: FeatureRow): void {
  const version = reader.u8();
  if (version !== numbersOnly && version !== withValues) {
    throw new RangeError(`feature row layout ${version} is not known`);
  }
  row.served = reader.u8();
  row.asOf = reader.f64();
  row.seq = reader.u32();
  row.validUntil = reader.f64();
  const length = reader.u16();
  if (row.values.length !== length) row.values = new Float64Array(length);
  for (let i = 0; i < length; i++) row.values[i] = reader.f64();
  if (version === withValues) {
    row.others = Buffer.from(reader.buffer.subarray(reader.position, reader.end));
    reader.position = reader.end;
  } else if (row.others !== undefined) row.others = undefined;
}
