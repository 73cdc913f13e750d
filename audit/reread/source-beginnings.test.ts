import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { lateBeginnings } from "./source-beginnings.ts";

test("a source that lost its first records is named, by partition, with where it begins", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const payments = { name: "payments", partitions: 2, role: "source", config: {} } as const;
  const topics = [payments, { ...payments, name: "scores", role: "output" as const }];
  await broker.createTopics(topics);
  const producer = await broker.producer({ transactionalId: null });
  for (const topic of ["payments", "scores"]) {
    const batch = new RecordBatchBuilder();
    for (let n = 0; n < 5; n++) batch.append(null, Buffer.from([n]), n);
    await producer.send([{ topic, partition: 1, batch: batch.build() }]);
  }
  assert.deepEqual(await lateBeginnings(broker, { topics }), []);
  await broker.deleteRecords(topics.map(({ name }) => ({ topic: name, partition: 1, offset: 3 })));
  assert.deepEqual(await lateBeginnings(broker, { topics }), [
    { topic: "payments", partition: 1, offset: 3 },
  ]);
  await broker.close();
});
