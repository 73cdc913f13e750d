import { ByteWriter } from "../../schemas/bytes.ts";
import { stringBytes } from "../../sinks/row-binary.ts";
import type { BlockRange, Sink, SinkBlock, SinkRecord } from "../../sinks/sink.ts";
import type { OfflineStore, OfflineTable } from "../../sinks/store.ts";
import type { SchemaId } from "../schema-registry/registry.ts";

/** Turns records of one topic into RowBinary rows of one table. */
export interface RowEncoder {
  readonly table: OfflineTable;
  /**
   * Appends the row of the record under the reader, all columns but the last: `topic_id`.
   *
   * @returns 1, or 0 for a record that is no row, or a schema id that must be resolved
   * first, as `{ needSchema }`.
   */
  append(
    reader: SinkRecord,
    partition: number,
    into: ByteWriter,
  ): number | { readonly needSchema: SchemaId };
  resolve(schemaId: SchemaId): Promise<void>;
}

/** Blocks of rows into one table of the offline store, each under a token that names its range. */
export function offlineSink(store: OfflineStore, encoder: RowEncoder): Sink {
  // Known before the first block is opened: a pump asks for its positions first.
  let topic: Buffer = Buffer.alloc(0);
  return {
    name: "offline",
    exactRange: true,
    positions: async (topicId, partitions) => {
      topic = Buffer.from(topicId, "utf8");
      const { own, strange } = await store.stored(encoder.table, topicId);
      return partitions.map((partition) => {
        const { next = null, rows = 0 } = own.get(partition) ?? {};
        return { next, rows, strangeRows: strange.get(partition) ?? 0 };
      });
    },
    open: (partition) => new RowBlock(encoder, partition, topic),
    write: async (block, range) => {
      if (!(block instanceof RowBlock) || block.rows === 0) return;
      await store.insert({
        table: encoder.table,
        rowBinary: block.rowBinary,
        rows: block.rows,
        token: tokenOf(encoder.table, range),
      });
    },
  };
}

function tokenOf(table: OfflineTable, { topicId, partition, first, next }: BlockRange): string {
  return `${table.name}:${topicId}:${partition}:${first}-${next}`;
}

class RowBlock implements SinkBlock {
  rows = 0;
  readonly #encoder: RowEncoder;
  readonly #partition: number;
  readonly #topicId: Buffer;
  readonly #writer = new ByteWriter(64 * 1024);

  constructor(encoder: RowEncoder, partition: number, topicId: Buffer) {
    this.#encoder = encoder;
    this.#partition = partition;
    this.#topicId = topicId;
  }

  get bytes(): number {
    return this.#writer.position;
  }

  get rowBinary(): Buffer {
    return this.#writer.buffer.subarray(0, this.#writer.position);
  }

  add(reader: SinkRecord): Promise<void> | void {
    const appended = this.#encoder.append(reader, this.#partition, this.#writer);
    if (typeof appended === "object") return this.#addResolved(reader, appended.needSchema);
    this.#appended(appended);
  }

  #appended(rows: number): void {
    if (rows > 0) stringBytes(this.#writer, this.#topicId);
    this.rows += rows;
  }

  async #addResolved(reader: SinkRecord, schemaId: SchemaId): Promise<void> {
    await this.#encoder.resolve(schemaId);
    const appended = this.#encoder.append(reader, this.#partition, this.#writer);
    if (typeof appended === "object") throw new RangeError(`schema ${schemaId} stays unknown`);
    this.#appended(appended);
  }
}
