import type { Broker } from "./broker.ts";
import { RecordReader } from "./record-batch/reader.ts";

/** A record as it stands in its partition. */
export interface PlainRecord {
  readonly offset: number;
  /** null: it has none. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  /** Of the header that names the schema of the value. */
  readonly schemaHeader: Buffer | null;
}

const fetchBytes = 4 * 1024 * 1024;
const pageBytes = 1024 * 1024;

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
  for await (const records of fetches(broker, topic, partition, fetchBytes)) {
    for (const record of records) onRecord(record);
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

/** Offsets of a partition: the first, and the one behind the last. */
export interface OffsetRange {
  readonly from: number;
  readonly end: number;
}

/**
 * Committed records of a partition, in pages.
 *
 * @param range - what is not committed yet of it is waited for. @default from its start to its
 * stable end as of now
 */
export async function* committedPages(
  broker: Broker,
  topic: string,
  partition: number,
  range?: OffsetRange,
): AsyncGenerator<readonly PlainRecord[]> {
  for await (const records of fetches(broker, topic, partition, pageBytes, range)) {
    const page: PlainRecord[] = [];
    for (const record of records) {
      const { offset, buffer, keyStart, keyEnd, valueStart, valueEnd } = record;
      page.push({
        offset,
        timestampMs: record.timestampMs,
        schemaHeader: record.schemaHeader,
        key: keyStart < 0 ? null : buffer.subarray(keyStart, keyEnd),
        value: valueStart < 0 ? null : buffer.subarray(valueStart, valueEnd),
      });
    }
    yield page;
  }
}

/** The records of one fetch after the other, to be read before the next is asked for. */
async function* fetches(
  broker: Broker,
  topic: string,
  partition: number,
  maxBytes: number,
  range?: OffsetRange,
): AsyncGenerator<Iterable<RecordReader>> {
  const place = { topic, partition };
  const { from, end } = range ?? (await wholeOf(broker, topic, partition));
  const reader = new RecordReader();
  for (let offset = from; offset < end; ) {
    const [fetched] = await broker.fetch({
      partitions: [{ ...place, offset, maxBytes }],
      isolation: "read_committed",
      maxWaitMs: 1_000,
      maxBytes,
    });
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    yield below(reader, end);
    offset = Math.max(offset, reader.nextOffset);
  }
}

/** The reader at each of its records before an offset. */
function* below(reader: RecordReader, end: number): Generator<RecordReader> {
  while (reader.next() && reader.offset < end) yield reader;
}

async function wholeOf(broker: Broker, topic: string, partition: number): Promise<OffsetRange> {
  const place = { topic, partition };
  const [from = 0, end = 0] = await broker.listOffsets([
    { ...place, at: "earliest" },
    { ...place, at: "stable" },
  ]);
  return { from, end };
}
