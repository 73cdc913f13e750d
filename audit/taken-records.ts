import type { Broker } from "../broker/broker.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";

const lookBytes = 1024 * 1024;

/**
 * Of offsets at which no committed record stands, those that no deletion accounts for: behind the
 * end, or held by a record that was not committed. Others belonged to records that retention or
 * compaction has taken since.
 */
export async function neverThere(
  broker: Broker,
  topic: string,
  partition: number,
  offsets: readonly number[],
): Promise<number[]> {
  if (offsets.length === 0) return [];
  const [start = 0, end = 0] = await broker.listOffsets([
    { topic, partition, at: "earliest" },
    { topic, partition, at: "latest" },
  ]);
  const reader = new RecordReader();
  const strange: number[] = [];
  for (const offset of offsets) {
    if (offset < start) continue;
    if (offset < end) {
      const [fetched] = await broker.fetch({
        partitions: [{ topic, partition, offset, maxBytes: lookBytes }],
        isolation: "read_uncommitted",
        maxWaitMs: 0,
        maxBytes: lookBytes,
      });
      if (fetched === undefined) continue;
      reader.open(fetched, "read_uncommitted");
      let found = -1;
      while (found < offset && reader.next()) found = reader.offset;
      if (found !== offset) continue;
    }
    strange.push(offset);
  }
  return strange;
}
