import { ByteReader, type ByteWriter } from "../../schemas/bytes.ts";
import { entityKeyParts } from "../../schemas/feature-view.ts";
import type { TableSpec } from "../../schemas/plan.ts";
import { type FeatureRow, readRow } from "../../schemas/row.ts";
import type { RowType } from "../../schemas/row-layout.ts";
import {
  int64,
  nullableFloat64,
  string,
  stringBytes,
  stringSlice,
} from "../../sinks/row-binary.ts";
import type { SinkRecord } from "../../sinks/sink.ts";
import type { OfflineTable } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import { isProgress } from "../row-topics/tally.ts";
import { offlineTable } from "./offline-table.ts";

/** Columns between the key and the features: as_of, seq, valid_until, served. */
const rowHead = 4;

/** Rows of a row topic (`schemas/row.ts`) as RowBinary of their table. */
export class FeatureRowEncoder implements RowEncoder {
  readonly table: OfflineTable;
  readonly #topic: Buffer;
  readonly #keyFields: number;
  /** Of each feature. */
  readonly #types: readonly RowType[];
  readonly #payload = new ByteReader();
  readonly #row: FeatureRow = {
    served: 0,
    asOf: 0,
    seq: 0,
    validUntil: 0,
    values: new Float64Array(),
  };

  /** @param keyFields - how many columns the key makes; they come first. */
  constructor(topic: string, keyFields: number, table: TableSpec) {
    this.table = offlineTable(table);
    this.#topic = Buffer.from(topic, "utf8");
    this.#keyFields = keyFields;
    this.#types = table.columns.slice(keyFields + rowHead).map(({ type }) => type);
  }

  append(reader: SinkRecord, partition: number, into: ByteWriter): number {
    if (isProgress(reader)) return 0;
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
    if (this.#keyFields === 1) stringSlice(into, buffer, keyStart, keyEnd);
    else {
      const key = buffer.toString("utf8", keyStart, keyEnd);
      for (const part of entityKeyParts(key, this.#keyFields)) string(into, part);
    }
    this.#payload.reset(buffer, valueStart, valueEnd);
    const row = this.#row;
    readRow(this.#payload, row);
    int64(into, row.asOf);
    into.u32(row.seq);
    nullableTime(into, row.validUntil);
    into.u8(row.served);
    for (let i = 0; i < row.values.length; i++) {
      const value = row.values[i] as number;
      const type = this.#types[i];
      if (type === "integer") into.u32(value);
      else if (type === "timestamp") nullableTime(into, value);
      else nullableFloat64(into, value);
    }
    stringBytes(into, this.#topic);
    into.u16(partition);
    int64(into, reader.offset);
    return 1;
  }

  async resolve(): Promise<void> {}
}

/** UTC ms, NaN for null. */
function nullableTime(into: ByteWriter, ms: number): void {
  const isNull = Number.isNaN(ms);
  into.u8(isNull ? 1 : 0);
  if (!isNull) int64(into, ms);
}
