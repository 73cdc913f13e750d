import type { ByteWriter } from "../../schemas/bytes.ts";
import type { AvroSchema, TableSpec } from "../../schemas/plan.ts";
import { int64, int128, numbersByText, string, stringBytes } from "../../sinks/row-binary.ts";
import type { SinkRecord } from "../../sinks/sink.ts";
import type { OfflineColumn, OfflineTable } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import { AvroDecoder } from "../schema-registry/avro-codec.ts";
import type { SchemaId, SchemaRegistry } from "../schema-registry/registry.ts";
import { columnType, offlineTable } from "./offline-table.ts";
import { utc } from "./plumbing.ts";

type Value = Readonly<Record<string, unknown>>;

/** A column of the table, filled from a value. */
interface Filled {
  readonly path: readonly string[];
  readonly write: (writer: ByteWriter, value: unknown) => void;
}

/** Avro records of a topic as RowBinary of their table. */
export class RecordEncoder implements RowEncoder {
  readonly table: OfflineTable;
  readonly #columns: readonly Filled[];
  readonly #decoder: AvroDecoder;
  readonly #topic: Buffer;

  constructor(topic: string, schema: AvroSchema, table: TableSpec, registry: SchemaRegistry) {
    this.table = offlineTable(table);
    this.#columns = table.columns.map((column) => ({
      path: (column.from ?? column.name).split("."),
      write: writerOf(columnType(column)),
    }));
    this.#decoder = new AvroDecoder(registry, schema);
    this.#topic = Buffer.from(topic, "utf8");
  }

  append(
    reader: SinkRecord,
    partition: number,
    into: ByteWriter,
  ): number | { readonly needSchema: SchemaId } {
    const decoded = this.#decoder.decode(reader.buffer, reader.valueStart, reader.valueEnd);
    if (decoded.kind === "need-schema") return { needSchema: decoded.id };
    if (decoded.kind === "failed") {
      throw new RangeError(`${this.table.name}, offset ${reader.offset}: ${decoded.reason}`);
    }
    for (const { path, write } of this.#columns) write(into, valueAt(decoded.value, path));
    stringBytes(into, this.#topic);
    into.u16(partition);
    int64(into, reader.offset);
    return 1;
  }

  resolve(schemaId: SchemaId): Promise<void> {
    return this.#decoder.resolve(schemaId);
  }
}

function valueAt(value: Value, path: readonly string[]): unknown {
  let found: unknown = value;
  // What stands in a record that is null is null.
  for (let i = 0; i < path.length && found !== null; i++) {
    found = (found as Value)[path[i] as string];
  }
  return found;
}

/** A list or a record as JSON; bytes as base64, and as text what is beyond a double. */
function jsonText(value: object): string {
  const plain = (each: unknown): unknown => {
    if (each instanceof Uint8Array) return Buffer.from(each).toString("base64");
    if (typeof each === "bigint") return String(each);
    if (Array.isArray(each)) return each.map(plain);
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([name, part]) => [name, plain(part)]));
  };
  return JSON.stringify(plain(value));
}

/** Of records that hold a text and a number each; of null none. */
function entriesOf(records: unknown): [string, number][] {
  return ((records ?? []) as readonly object[]).map((record) => {
    const [text, number] = Object.values(record) as [unknown, unknown];
    return [String(text), Number(number)];
  });
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
        else if (typeof value === "object" && value !== null) string(writer, jsonText(value));
        else string(writer, value === undefined || value === null ? "" : String(value));
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
    case "Int128":
      return (writer, value) => int128(writer, value as number | bigint);
    case "Map(LowCardinality(String), Float64)":
      return (writer, value) => numbersByText(writer, entriesOf(value));
    case "Int64":
    case "UInt64":
    case utc:
      return (writer, value) => int64(writer, typeof value === "bigint" ? value : Number(value));
    default:
      throw new RangeError(`no RowBinary writer for ${type}`);
  }
}
