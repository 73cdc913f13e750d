import type { Broker } from "../../runtime/broker/broker.ts";
import { RecordReader } from "../../runtime/broker/record-batch/reader.ts";

const fetchBytes = 4 * 1024 * 1024;

/**
 * Calls `onRecord` for each committed record of a partition, from its start to its stable end as
 * of now. Offsets also number markers and aborted records, so only reading counts records.
 */
export async function readCommitted(
  broker: Broker,
  topic: string,
  partition: number,
  onRecord: (reader: RecordReader) => void,
): Promise<void> {
  const place = { topic, partition };
  const [start, end] = await broker.listOffsets([
    { ...place, at: "earliest" },
    { ...place, at: "stable" },
  ]);
  const reader = new RecordReader();
  let offset = start as number;
  while (offset < (end as number)) {
    const [fetched] = await broker.fetch({
      partitions: [{ ...place, offset, maxBytes: fetchBytes }],
      isolation: "read_committed",
      maxWaitMs: 1_000,
      maxBytes: fetchBytes,
    });
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    while (reader.next() && reader.offset < (end as number)) onRecord(reader);
    offset = Math.max(offset, reader.nextOffset);
  }
}

/** Committed records of a partition. */
export async function countCommitted(
  broker: Broker,
  topic: string,
  partition: number,
): Promise<number> {
  let count = 0;
  await readCommitted(broker, topic, partition, () => {
    count++;
  });
  return count;
}
