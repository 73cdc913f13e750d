import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { type KafkaStack, startKafka } from "../../stacks/local/kafka.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import type { Producer } from "../broker.ts";
import { countCommitted } from "../committed-records.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { type KafkaBroker, openKafkaBroker } from "./kafka-broker.ts";

/*
 * A single node that is killed between the end of a transaction and its markers: Kafka 4.3.1 loses
 * these nearly always (see `lost-markers.ts`), and all readers wait for ever.
 */

const skip = requirement("java", "maven");
/** Enough for the markers to take longer than the kill. */
const partitions = 40;
const ids = ["commits", "aborts", "is-open", "offsets-alone", "never-comes-back"] as const;
let directory = "";
let kafka: KafkaStack;
let broker: KafkaBroker;

before(async () => {
  if (skip !== false) return;
  directory = await mkdtemp(join(tmpdir(), "millrace-markers-"));
  kafka = await startKafka({ directory });
  broker = await openKafkaBroker({ brokers: kafka.brokers, clientId: "markers" });
});

after(async () => {
  if (skip !== false) return;
  await broker?.close();
  await kafka?.kill();
  await rm(directory, { recursive: true, force: true });
});

test("ends that Kafka lost with its only node are told again, as they were", {
  skip,
  timeout: 300_000,
}, async () => {
  await broker.createTopics(ids.map((name) => ({ name, partitions, config: {} })));
  const producers = await Promise.all(ids.map(fill));
  const [commits, aborts, , offsets, gone] = producers as [
    Producer,
    Producer,
    Producer,
    Producer,
    Producer,
  ];
  await Promise.all([commits.commit(), aborts.abort(), offsets.commit(), gone.commit()]);
  await kafka.kill();
  // At once: the node takes connections before it leads anything, and before it ends anything.
  const [, ...again] = await Promise.all([
    kafka.start(),
    ...ids.slice(0, 4).map((id) => broker.producer({ transactionalId: id, scope: scopeOf(id) })),
  ]);
  await broker.fenceTransactions((id) => id === "never-comes-back", scopeOf("never-comes-back"));

  for (const id of ids) {
    await nothingIsOpen(id);
    const [offset] = await broker.committed(id, [{ topic: id, partition: 0 }]);
    const isCommitted = id !== "aborts" && id !== "is-open";
    assert.equal(offset?.offset, isCommitted ? 7 : null, id);
    const records = isCommitted && id !== "offsets-alone" ? 1 : 0;
    assert.equal(await countCommitted(broker, id, 0), records, id);
  }
  await Promise.all(again.map((each) => each.close()));
});

function scopeOf(id: string) {
  return { group: id, topics: [id], offsetsOf: [id] };
}

/** A transaction of one record a partition (or none) and an offset, open. */
async function fill(id: string): Promise<Producer> {
  const producer = await broker.producer({ transactionalId: id, scope: scopeOf(id) });
  producer.begin();
  const written = id === "offsets-alone" ? 0 : partitions;
  await producer.send(
    Array.from({ length: written }, (_, partition) => {
      const builder = new RecordBatchBuilder();
      builder.append(null, Buffer.from(id), 0);
      return { topic: id, partition, batch: builder.build() };
    }),
  );
  await producer.sendOffsets(id, [{ topic: id, partition: 0, offset: 7 }], null);
  return producer;
}

/** Resolves once all markers stand: they follow the answer to an end. */
async function nothingIsOpen(topic: string): Promise<void> {
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
  for (;;) {
    const stable = await broker.listOffsets(places.map((each) => ({ ...each, at: "stable" })));
    const latest = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" })));
    if (stable.every((offset, index) => offset === latest[index])) return;
    await wait(20);
  }
}
