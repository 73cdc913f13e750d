import type { ByteWriter } from "../../schemas/bytes.ts";
import type { AvroSchema, TableSpec } from "../../schemas/plan.ts";
import { int64, stringBytes } from "../../sinks/row-binary.ts";
import type { SinkRecord } from "../../sinks/sink.ts";
import type { OfflineTable } from "../../sinks/store.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import { RecordDecoder } from "../schema-registry/record-decoder.ts";
import type { SchemaId, SchemaRegistry } from "../schema-registry/registry.ts";
import { avroRows, passed } from "./avro-rows.ts";
import { type WriteColumn, writerOf } from "./column-writers.ts";
import { columnType, offlineTable } from "./offline-table.ts";

type Value = Readonly<Record<string, unknown>>;

/** A column of the table, filled from a value. */
interface Filled {
  readonly path: readonly string[];
  readonly write: WriteColumn;
}

/** Avro records of a topic as RowBinary of their table. */
export class RecordEncoder implements RowEncoder {
  readonly table: OfflineTable;
  readonly #columns: readonly Filled[];
  readonly #decoder: RecordDecoder;
  readonly #topic: Buffer;
  #into: ByteWriter | null = null;

  constructor(topic: string, schema: AvroSchema, table: TableSpec, registry: SchemaRegistry) {
    this.table = offlineTable(table);
    const columns = table.columns.map((column) => ({
      path: (column.from ?? column.name).split("."),
      type: columnType(column),
    }));
    this.#columns = columns.map(({ path, type }) => ({ path, write: writerOf(type) }));
    this.#decoder = new RecordDecoder(
      registry,
      avroRows(schema, columns, () => this.#into as ByteWriter),
    );
    this.#topic = Buffer.from(topic, "utf8");
  }

  append(
    reader: SinkRecord,
    partition: number,
    into: ByteWriter,
  ): number | { readonly needSchema: SchemaId } {
    this.#into = into;
    const decoded = this.#decoder.decode(reader.buffer, reader.valueStart, reader.valueEnd);
    if (decoded.kind === "need-schema") return { needSchema: decoded.id };
    if (decoded.kind === "failed") {
      throw new RangeError(`${this.table.name}, offset ${reader.offset}: ${decoded.reason}`);
    }
    const { value } = decoded;
    if (value !== passed) {
      for (const { path, write } of this.#columns) write(into, valueAt(value, path));
    }
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
