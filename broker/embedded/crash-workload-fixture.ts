import assert from "node:assert/strict";
import type { Broker, Producer, RecordBatch } from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { type EmbeddedBrokerOptions, openEmbeddedBroker } from "./embedded-broker.ts";

const topics = ["left", "right", "table"] as const;
const partitions = 2;
const group = "readers";

/** Small, so that segments, checkpoints and compaction all come round within a few transactions. */
const tiny = { segmentBytes: 700, cacheBytes: 8 * 1024 } as const;

/** Called when a transaction is decided, and when it is known to be. */
export interface Progress {
  readonly begun: (transaction: number) => void;
  readonly acknowledged: (transaction: number) => void;
}

/**
 * Runs numbered transactions over all partitions, from the one after the last that is committed:
 * each third is aborted, each sixth compacts or purges. The number of a transaction is its content.
 */
export async function runTransactions(
  options: EmbeddedBrokerOptions,
  count: number,
  progress: Progress,
  metadataBytes = 0,
): Promise<void> {
  const broker = await openEmbeddedBroker({ ...tiny, ...options });
  await broker.createTopics(
    topics.map((name) => ({
      name,
      partitions,
      config: name === "table" ? { "cleanup.policy": "compact" } : {},
    })),
  );
  const producer = await broker.producer({ transactionalId: "writer" });
  const other = await broker.producer({ transactionalId: "interleaved" });
  const first = (await committedNumber(broker)) + 1;
  for (let number = first; number < first + count; number++) {
    const aborts = number % 3 === 2;
    if (number % 4 === 0) {
      other.begin();
      await write(other, number, "never");
    }
    producer.begin();
    progress.begun(number);
    await write(producer, number, aborts ? "never" : "");
    await write(producer, number, aborts ? "never again" : "again");
    if (aborts) await producer.abort();
    else {
      const metadata = `${number}`.padEnd(metadataBytes);
      const offset = number;
      await producer.sendOffsets(group, [{ topic: "left", partition: 0, offset, metadata }], null);
      await producer.commit();
      progress.acknowledged(number);
    }
    if (number % 4 === 0) await other.abort();
    if (number % 6 === 0) await purge(broker);
    if (number % 6 === 3) broker.compact();
  }
  await broker.close();
}

async function write(producer: Producer, number: number, note: string): Promise<void> {
  await producer.send(
    topics.flatMap((topic) =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        batch: batchOf(number, note),
      })),
    ),
  );
}

function batchOf(number: number, note: string): RecordBatch {
  const builder = new RecordBatchBuilder();
  for (const half of ["a", "b"]) {
    builder.append(Buffer.from(`k${number % 5}${half}`), Buffer.from(`${number} ${note}`), number);
  }
  return builder.build();
}

/** Deletes all but the last transactions of one topic, behind a stable offset. */
async function purge(broker: Broker): Promise<void> {
  for (let partition = 0; partition < partitions; partition++) {
    const at = { topic: "right", partition };
    const [stable = 0] = await broker.listOffsets([{ ...at, at: "stable" }]);
    await broker.deleteRecords([{ ...at, offset: Math.max(0, stable - 30) }]);
  }
}

async function committedNumber(broker: Broker): Promise<number> {
  const [committed] = await broker.committed(group, [{ topic: "left", partition: 0 }]);
  return committed?.offset ?? 0;
}

/**
 * Opens the directory and checks that exactly the acknowledged transactions are there, and at most
 * the one in flight, whole: in every partition, in the group's offsets, and after compaction too.
 *
 * @returns the number of the last committed transaction.
 */
export async function checkDirectory(
  directory: string,
  acknowledged: number,
  begun: number,
): Promise<number> {
  const broker = await openEmbeddedBroker({ ...tiny, directory });
  try {
    const last = await committedNumber(broker);
    assert.ok(
      last === acknowledged || last === begun,
      `${last} is committed; acknowledged: ${acknowledged}, in flight: ${begun}`,
    );
    const names = (await broker.describeTopics()).map(({ name }) => name);
    for (const topic of names) {
      for (let partition = 0; partition < partitions; partition++) {
        const values = await readAll(broker, topic, partition);
        checkValues(`${topic}/${partition}`, topic, values, last);
      }
    }
    return last;
  } finally {
    await broker.close();
  }
}

function checkValues(where: string, topic: string, values: readonly string[], last: number): void {
  const expected: string[] = [];
  for (let number = 1; number <= last; number++) {
    if (number % 3 === 2) continue;
    for (const note of ["", "again"]) expected.push(`${number} ${note}`, `${number} ${note}`);
  }
  if (topic === "left") {
    assert.deepEqual(values, expected, where);
    return;
  }
  // The front may be purged or compacted away, no record may be strange, and the end is there.
  assert.deepEqual(
    values.filter((value) => !expected.includes(value)),
    [],
    where,
  );
  if (topic === "right") {
    assert.ok(values.length > 0 || last === 0, where);
    assert.deepEqual(values, expected.slice(expected.length - values.length), where);
    return;
  }
  const latest = expected.slice(-2);
  assert.deepEqual(values.slice(-2), latest, `${where} has the last value of each key`);
}

async function readAll(broker: Broker, topic: string, partition: number): Promise<string[]> {
  const reader = new RecordReader({ checkCrc: true });
  const [from = 0] = await broker.listOffsets([{ topic, partition, at: "earliest" }]);
  const [end = 0] = await broker.listOffsets([{ topic, partition, at: "stable" }]);
  const [latest] = await broker.listOffsets([{ topic, partition, at: "latest" }]);
  assert.equal(end, latest, "nothing is left open");
  const values: string[] = [];
  for (let offset = from; offset < end; ) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic, partition, offset, maxBytes: 1 << 20 }],
      isolation: "read_committed",
      maxWaitMs: 0,
      maxBytes: 1 << 20,
    });
    assert.ok(fetched, `${topic}/${partition} has nothing at ${offset}, and ends at ${end}`);
    reader.open(fetched, "read_committed");
    while (reader.next()) {
      values.push(reader.buffer.toString("utf8", reader.valueStart, reader.valueEnd));
    }
    assert.ok(reader.nextOffset > offset);
    offset = reader.nextOffset;
  }
  return values;
}
