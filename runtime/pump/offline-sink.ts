import type { RecordReader } from "../../broker/record-batch/reader.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { OfflineStore, OfflineTable } from "../../sinks/store.ts";
import type { BlockRange, Sink, SinkBlock } from "./sink.ts";

/** Turns records of one topic into RowBinary rows of one table. */
export interface RowEncoder {
  readonly table: OfflineTable;
  /**
   * Appends the row of the record under the reader.
   *
   * @returns rows appended (0 for a record that is no row), or a schema id that must be resolved
   * first, as `{ needSchema }`.
   */
  append(
    reader: RecordReader,
    partition: number,
    into: ByteWriter,
  ): number | { readonly needSchema: number };
  resolve(schemaId: number): Promise<void>;
}

/** Blocks of rows into one table of the offline store, each under a token that names its range. */
export function offlineSink(store: OfflineStore, encoder: RowEncoder): Sink {
  return {
    name: "offline",
    exactRange: true,
    open: (partition) => new RowBlock(encoder, partition),
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
  readonly #writer = new ByteWriter(64 * 1024);

  constructor(encoder: RowEncoder, partition: number) {
    this.#encoder = encoder;
    this.#partition = partition;
  }

  get bytes(): number {
    return this.#writer.position;
  }

  get rowBinary(): Buffer {
    return this.#writer.buffer.subarray(0, this.#writer.position);
  }

  add(reader: RecordReader): Promise<void> | void {
    const appended = this.#encoder.append(reader, this.#partition, this.#writer);
    if (typeof appended === "object") return this.#addResolved(reader, appended.needSchema);
    this.rows += appended;
  }

  async #addResolved(reader: RecordReader, schemaId: number): Promise<void> {
    await this.#encoder.resolve(schemaId);
    const appended = this.#encoder.append(reader, this.#partition, this.#writer);
    if (typeof appended === "object") throw new RangeError(`schema ${schemaId} stays unknown`);
    this.rows += appended;
  }
}
