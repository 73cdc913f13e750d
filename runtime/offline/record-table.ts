import type { RecordReader } from "../../broker/record-batch/reader.ts";
import type { ByteWriter } from "../../schemas/bytes.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { int64, string, stringBytes } from "../../sinks/row-binary.ts";
import { quoteName } from "../../sinks/sql-text.ts";
import type { OfflineColumn, OfflineTable, OfflineView } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import { AvroDecoder } from "../schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { database, plumbingColumns, utc } from "./plumbing.ts";

type Value = Readonly<Record<string, unknown>>;

/** A column and how it is filled from the Avro value of a record. */
export interface RecordColumn {
  readonly column: OfflineColumn;
  readonly get: (value: Value) => unknown;
}

/** A table of the Avro records of one topic, and the analysts' view over it. */
export interface RecordTable {
  readonly topic: string;
  readonly schema: AvroSchema;
  readonly table: OfflineTable;
  readonly view: OfflineView;
  readonly columns: readonly RecordColumn[];
}

export function recordTable(
  topic: string,
  schema: AvroSchema,
  name: string,
  columns: readonly RecordColumn[],
  orderBy: readonly string[],
): RecordTable {
  const table: OfflineTable = {
    name: `raw_${name}`,
    columns: [...columns.map(({ column }) => column), ...plumbingColumns],
    orderBy,
  };
  const names = columns.map(({ column }) => quoteName(column.name)).join(", ");
  return {
    topic,
    schema,
    table,
    view: { name, select: `SELECT ${names} FROM ${database}.${quoteName(table.name)}` },
    columns,
  };
}

/** A column that takes the field of the same or another name. */
export function field(name: string, type: OfflineColumn["type"], from: string): RecordColumn {
  return { column: { name, type }, get: (value) => value[from] };
}

/** Avro records of a topic as RowBinary of their table. */
export class RecordEncoder implements RowEncoder {
  readonly table: OfflineTable;
  readonly #columns: readonly RecordColumn[];
  readonly #writers: readonly ((writer: ByteWriter, value: unknown) => void)[];
  readonly #decoder: AvroDecoder;
  readonly #topic: Buffer;

  constructor(record: RecordTable, registry: SchemaRegistry) {
    this.table = record.table;
    this.#columns = record.columns;
    this.#writers = record.columns.map(({ column }) => writerOf(column.type));
    this.#decoder = new AvroDecoder(registry, record.schema);
    this.#topic = Buffer.from(record.topic, "utf8");
  }

  append(
    reader: RecordReader,
    partition: number,
    into: ByteWriter,
  ): number | { readonly needSchema: number } {
    const decoded = this.#decoder.decode(reader.buffer, reader.valueStart, reader.valueEnd);
    if (decoded.kind === "need-schema") return { needSchema: decoded.id };
    if (decoded.kind === "failed") {
      throw new RangeError(`${this.table.name}, offset ${reader.offset}: ${decoded.reason}`);
    }
    const { value } = decoded;
    for (const [index, { get }] of this.#columns.entries()) {
      this.#writers[index]?.(into, get(value));
    }
    stringBytes(into, this.#topic);
    into.u16(partition);
    int64(into, reader.offset);
    return 1;
  }

  resolve(schemaId: number): Promise<void> {
    return this.#decoder.resolve(schemaId);
  }
}

function writerOf(type: OfflineColumn["type"]): (writer: ByteWriter, value: unknown) => void {
  const nullable = /^Nullable\((.*)\)$/.exec(type);
  if (nullable !== null) {
    const inner = plainWriter(nullable[1] as string);
    return (writer, value) => {
      if (value === null || value === undefined || Number.isNaN(value)) writer.u8(1);
      else {
        writer.u8(0);
        inner(writer, value);
      }
    };
  }
  return plainWriter(type);
}

function plainWriter(type: string): (writer: ByteWriter, value: unknown) => void {
  switch (type) {
    case "String":
    case "LowCardinality(String)":
      return (writer, value) => {
        if (value instanceof Uint8Array) stringBytes(writer, value);
        else string(writer, value === null || value === undefined ? "" : String(value));
      };
    case "Float64":
      return (writer, value) => writer.f64(Number(value));
    case "UInt8":
      return (writer, value) => writer.u8(Number(value));
    case "UInt16":
      return (writer, value) => writer.u16(Number(value));
    case "UInt32":
      return (writer, value) => writer.u32(Number(value));
    case "Int32":
      return (writer, value) => writer.u32(Number(value) >>> 0);
    case "Int64":
    case "UInt64":
    case utc:
      return (writer, value) => int64(writer, Number(value));
    default:
      throw new RangeError(`no RowBinary writer for ${type}`);
  }
}
