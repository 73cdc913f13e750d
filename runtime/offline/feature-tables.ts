import type { RecordReader } from "../../broker/record-batch/reader.ts";
import type { ByteWriter } from "../../schemas/bytes.ts";
import { ByteReader } from "../../schemas/bytes.ts";
import {
  entityKeyParts,
  type FeatureOutput,
  type FeatureViewSpec,
  featureColumns,
  snakeCase,
} from "../../schemas/feature-view.ts";
import { type FeatureRow, readRow } from "../../schemas/row.ts";
import {
  int64,
  nullableFloat64,
  string,
  stringBytes,
  stringSlice,
} from "../../sinks/row-binary.ts";
import { quoteName } from "../../sinks/sql-text.ts";
import type { OfflineColumn, OfflineTable, OfflineView } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import { isProgress } from "../row-topics/tally.ts";
import { database, plumbingColumns, utc } from "./plumbing.ts";

const columnTypes = {
  count: "UInt32",
  number: "Nullable(Float64)",
  since: `Nullable(${utc})`,
} as const;

/** Raw rows of a feature view: every row ever emitted, unique by (key, as_of, seq). */
export function featureTable(view: FeatureViewSpec): OfflineTable {
  const keys = view.keyFields.map(snakeCase);
  return {
    name: `raw_${view.name}_v${view.version}`,
    columns: [
      ...keys.map((name): OfflineColumn => ({ name, type: "LowCardinality(String)" })),
      { name: "as_of", type: utc, codec: "Delta, LZ4" },
      { name: "seq", type: "UInt32" },
      { name: "valid_until", type: `Nullable(${utc})` },
      { name: "served", type: "UInt8" },
      ...featureColumns(view).map(
        ({ column, aggregate }): OfflineColumn => ({
          name: column,
          type: columnTypes[aggregate.output],
        }),
      ),
      ...plumbingColumns,
    ],
    orderBy: [...keys, "as_of", "seq"],
  };
}

/** A feature view for analysts: of the rows of one instant the last one, which is what holds. */
export function featureView(view: FeatureViewSpec): OfflineView {
  const keys = view.keyFields.map((field) => quoteName(snakeCase(field)));
  const columns = featureColumns(view).map(({ column }) => quoteName(column));
  const shown = [...keys, "as_of", "valid_until", ...columns].join(", ");
  const instant = [...keys, "as_of"].join(", ");
  return {
    name: view.name,
    select:
      `SELECT ${shown} FROM ${database}.${quoteName(featureTable(view).name)} ` +
      `ORDER BY ${instant}, seq DESC LIMIT 1 BY ${instant}`,
  };
}

/** Rows of a row topic (`schemas/row.ts`) as RowBinary of {@link featureTable}. */
export class FeatureRowEncoder implements RowEncoder {
  readonly table: OfflineTable;
  readonly #topic: Buffer;
  readonly #keyFields: number;
  /** By feature column. */
  readonly #outputs: readonly FeatureOutput[];
  readonly #payload = new ByteReader();
  readonly #row: FeatureRow = {
    served: 0,
    asOf: 0,
    seq: 0,
    validUntil: 0,
    values: new Float64Array(),
  };

  constructor(view: FeatureViewSpec, topic: string) {
    this.table = featureTable(view);
    this.#topic = Buffer.from(topic, "utf8");
    this.#keyFields = view.keyFields.length;
    this.#outputs = featureColumns(view).map(({ aggregate }) => aggregate.output);
  }

  append(reader: RecordReader, partition: number, into: ByteWriter): number {
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
      const output = this.#outputs[i];
      if (output === "count") into.u32(value);
      else if (output === "since") nullableTime(into, value);
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
