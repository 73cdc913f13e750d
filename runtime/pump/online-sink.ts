import { ByteReader } from "../../schemas/bytes.ts";
import { type FeatureRow, readRow } from "../../schemas/row.ts";
import type { Sink, SinkBlock, SinkRecord } from "../../sinks/sink.ts";
import type { OnlineStore } from "../../sinks/store.ts";
import { isProgress } from "../row-topics/tally.ts";

/**
 * The last row of each key in a block, and the partition's progress, into the online store.
 *
 * @param expireAfterMs - wall-clock ms after which the store may drop a row that was not written
 * again; null: rows are kept.
 */
export function onlineSink(
  store: OnlineStore,
  view: string,
  expireAfterMs: number | null = null,
): Sink {
  const progressOf = new Map<number, number>();
  return {
    name: "online",
    exactRange: false,
    // Where it has lost rows it is filled again with what the topic still holds.
    positions: (topicId, partitions) =>
      Promise.all(
        partitions.map(async (partition) => {
          const next = await store.position(view, topicId, partition);
          return { next, rows: 0, strangeRows: 0 };
        }),
      ),
    open: (partition) => new LastRows(progressOf.get(partition) ?? Number.NEGATIVE_INFINITY),
    write: async (block, { topicId, partition, next }) => {
      if (!(block instanceof LastRows)) return;
      const { progress } = block;
      await store.write({
        view,
        topicId,
        partition,
        rows: block.list(),
        nextOffset: next,
        progress,
        ...(expireAfterMs === null ? {} : { expireAfterMs }),
      });
      progressOf.set(partition, progress);
    },
  };
}

class LastRows implements SinkBlock {
  rows = 0;
  bytes = 0;
  progress: number;
  readonly #last = new Map<string, { entityKey: string; offset: number; row: FeatureRow }>();
  readonly #payload = new ByteReader();

  constructor(progress: number) {
    this.progress = progress;
  }

  add(reader: SinkRecord): void {
    const { buffer, keyStart, keyEnd, valueStart, valueEnd, offset } = reader;
    this.bytes += valueEnd - valueStart;
    if (isProgress(reader)) {
      this.progress = buffer.readDoubleLE(valueStart);
      return;
    }
    this.rows++;
    const entityKey = buffer.toString("utf8", keyStart, keyEnd);
    let last = this.#last.get(entityKey);
    if (last === undefined) {
      const row = { served: 0, asOf: 0, seq: 0, validUntil: 0, values: new Float64Array() };
      last = { entityKey, offset, row };
      this.#last.set(entityKey, last);
    }
    last.offset = offset;
    this.#payload.reset(buffer, valueStart, valueEnd);
    readRow(this.#payload, last.row);
  }

  list() {
    return [...this.#last.values()];
  }
}
