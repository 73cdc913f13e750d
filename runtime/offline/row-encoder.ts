import { ByteReader, type ByteWriter } from "../../schemas/bytes.ts";
import { entityKeyParts } from "../../schemas/feature-view.ts";
import type { TableSpec } from "../../schemas/plan.ts";
import { type FeatureRow, readRow } from "../../schemas/row.ts";
import { RowCodec } from "../../schemas/row-codec.ts";
import type { RowLayout, RowType } from "../../schemas/row-layout.ts";
import {
  int64,
  int128,
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
  /** Of each feature its type, and whether it is no double of the row. */
  readonly #types: readonly RowType[];
  readonly #isOther: readonly boolean[];
  /** Null where all are doubles. */
  readonly #others: RowCodec | null;
  readonly #payload = new ByteReader();
  readonly #row: FeatureRow = {
    served: 0,
    asOf: 0,
    seq: 0,
    validUntil: 0,
    values: new Float64Array(),
  };

  /**
   * @param keyFields - how many columns the key makes; they come first.
   * @param others - columns that are no doubles of the row.
   */
  constructor(topic: string, keyFields: number, table: TableSpec, others?: RowLayout) {
    this.table = offlineTable(table);
    this.#topic = Buffer.from(topic, "utf8");
    this.#keyFields = keyFields;
    const names = new Set(others?.fields.map(({ name }) => name));
    const features = table.columns.slice(keyFields + rowHead);
    this.#types = features.flatMap(({ type }) => (type === "numbersByText" ? [] : [type]));
    this.#isOther = features.map(({ name }) => names.has(name));
    this.#others = others === undefined ? null : new RowCodec(others);
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
    const others = this.#readOthers(row);
    let [number, other] = [0, 0];
    for (let i = 0; i < this.#types.length; i++) {
      const type = this.#types[i] as RowType;
      if (this.#isOther[i]) {
        nullableValue(into, type, others[other++]);
        continue;
      }
      const value = row.values[number++] as number;
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

  #readOthers({ others }: FeatureRow): readonly unknown[] {
    if (this.#others === null) return none;
    return others === undefined ? none : this.#others.readValues(new ByteReader(others));
  }
}

const none: readonly unknown[] = [];

/** A value of a type that is no double. */
function nullableValue(into: ByteWriter, type: RowType, value: unknown): void {
  const isNull = value === null || value === undefined;
  into.u8(isNull ? 1 : 0);
  if (isNull) return;
  if (type === "text") string(into, String(value));
  else if (type === "boolean") into.u8(value === true ? 1 : 0);
  else if (type === "integer") int128(into, value as number | bigint);
  else int64(into, value as number | bigint);
}

/** UTC ms, NaN for null. */
function nullableTime(into: ByteWriter, ms: number): void {
  const isNull = Number.isNaN(ms);
  into.u8(isNull ? 1 : 0);
  if (!isNull) int64(into, ms);
}
