import assert from "node:assert/strict";
import { test } from "node:test";
import type { MillraceError } from "../../schemas/errors.ts";
import type { Broker } from "../broker.ts";
import { openEmbeddedBroker } from "../embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { openOverlayBroker } from "./overlay-broker.ts";

const own = { name: "own", partitions: 1, config: {} };
const given = { name: "given", partitions: 2, config: {} };

async function append(broker: Broker, topic: string, ...texts: string[]): Promise<void> {
  const builder = new RecordBatchBuilder();
  for (const text of texts) builder.append(null, Buffer.from(text), 0);
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ topic, partition: 0, batch: builder.build() }]);
  await producer.close();
}

async function read(broker: Broker, ...topics: string[]): Promise<string[]> {
  const found: string[] = [];
  const partitions = topics.map((topic) => ({ topic, partition: 0, offset: 1, maxBytes: 10_000 }));
  const isolation = "read_committed";
  const fetched = await broker.fetch({ partitions, isolation, maxWaitMs: 0, maxBytes: 10_000 });
  const reader = new RecordReader();
  for (const each of fetched) {
    reader.open(each, isolation);
    while (reader.next()) {
      const value = reader.buffer.toString("utf8", reader.valueStart, reader.valueEnd);
      found.push(`${each.topic}@${reader.offset} ${value}`);
    }
  }
  return found;
}

async function overlay() {
  const original = await openEmbeddedBroker({ directory: null });
  const fresh = await openEmbeddedBroker({ directory: null });
  await original.createTopics([given, own]);
  await append(original, "given", "a", "b", "c");
  await append(original, "own", "not seen", "not seen");
  const broker = await openOverlayBroker(original, fresh, ["given"]);
  await broker.createTopics([given, own]);
  return { original, fresh, broker };
}

test("named topics are the other broker's, at its offsets; all else begins empty", async () => {
  const { broker } = await overlay();
  await append(broker, "own", "x", "y");
  assert.deepEqual(await read(broker, "own", "given"), ["given@1 b", "given@2 c", "own@1 y"]);
  const places = ["own", "given"].map((topic) => ({ topic, partition: 0, at: "latest" as const }));
  assert.deepEqual(await broker.listOffsets(places), [2, 3]);
  const topics = await broker.describeTopics();
  assert.deepEqual(topics.map(({ name }) => name).sort(), ["given", "own"]);
});

test("what is written to a named topic later is not seen: its end is that of the beginning", async () => {
  const { original, broker } = await overlay();
  await append(original, "given", "d");
  assert.deepEqual(await broker.listOffsets([{ topic: "given", partition: 0, at: "stable" }]), [3]);
  const partitions = [{ topic: "given", partition: 0, offset: 3, maxBytes: 10_000 }];
  const fetched = await broker.fetch({
    ...{ partitions, isolation: "read_committed", maxWaitMs: 0, maxBytes: 10_000 },
  });
  assert.deepEqual(fetched, []);
  assert.deepEqual(await read(broker, "given"), ["given@1 b", "given@2 c"]);
});

test("nothing can change a named topic, and groups are the fresh broker's", async () => {
  const { original, fresh, broker } = await overlay();
  const refused = (error: MillraceError) => error.code === "TOPIC_READ_ONLY";
  await assert.rejects(append(broker, "given", "z"), refused);
  await assert.rejects(broker.deleteTopics(["given"]), refused);
  await assert.rejects(
    broker.deleteRecords([{ topic: "given", partition: 0, offset: 1 }]),
    refused,
  );
  const place = { topic: "given", partition: 0 };
  await broker.commitOffsets("group", [{ ...place, offset: 2 }], null);
  const committed = await Promise.all(
    [original, fresh, broker].map(async (each) => (await each.committed("group", [place]))[0]),
  );
  assert.deepEqual(
    committed.map((each) => each?.offset),
    [null, 2, 2],
  );
});
