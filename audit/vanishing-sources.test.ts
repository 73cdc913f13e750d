/*
 * Sources from which records are taken while a topology runs: by retention ahead of its tasks, and
 * by compaction between the records that they read.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Broker, Producer } from "../broker/broker.ts";
import { countCommitted } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import type { SourceSpec } from "../schemas/plan.ts";
import { createMemoryOfflineStore } from "../sinks/memory/memory.ts";
import { startKafka } from "../stacks/local/kafka.ts";
import { endOf, executeAir, produceAir } from "../testing/air-input-fixture.ts";
import { requirement } from "../testing/requirements-fixture.ts";
import { air, makeLogs } from "../testing/schedule-fixture.ts";
import { withMethods } from "../testing/with-methods-fixture.ts";
import { verifyRun } from "./verify-run.ts";

const logs = makeLogs(1, 400, 5);
const end = endOf(logs);
const source = "air.departures";
const places = [0, 1, 2, 3].map((partition) => ({ topic: source, partition }));

/** Runs a rule against a real Kafka. */
async function onKafka(rule: (broker: Broker) => Promise<void>) {
  const directory = await mkdtemp(join(tmpdir(), "millrace-vanishing-"));
  const kafka = await startKafka({ directory });
  const broker = await openKafkaBroker({ brokers: kafka.brokers, clientId: "vanishing" });
  try {
    await rule(broker);
  } finally {
    await broker.close();
    await kafka.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

/** The source in batches of a few records, so that no fetch holds all of it. */
async function produceInPieces(broker: Broker, registry: SchemaRegistry): Promise<void> {
  const others = withMethods<Broker>(broker, {
    producer: async (options) => {
      const producer = await broker.producer(options);
      return withMethods<Producer>(producer, {
        send: async (batches) =>
          batches[0]?.topic === source ? [0] : await producer.send(batches),
      });
    },
  });
  await produceAir(others, registry, logs);
  const spec = air.sources.find(({ topic }) => topic === source) as SourceSpec;
  const encoder = await sourceEncoder(registry, spec);
  const producer = await broker.producer({ transactionalId: null });
  for (const [partition, log] of (logs.get(source) ?? []).entries()) {
    const records = log.flatMap((entry) => ("record" in entry ? [entry.record] : []));
    for (let at = 0; at < records.length; at += 8) {
      const batch = new RecordBatchBuilder();
      for (const record of records.slice(at, at + 8)) {
        const value = new ByteWriter();
        encoder.encode(record, value);
        batch.append(Buffer.from(String(record["flightId"])), value.take(), 0);
      }
      await producer.send([{ topic: source, partition, batch: batch.build() }]);
    }
  }
  await producer.close();
}

/** A worker whose source loses what its tasks come to next, once they have begun. */
async function losing(broker: Broker, acceptGaps: boolean) {
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceInPieces(broker, registry);
  const ends = await broker.listOffsets(places.map((place) => ({ ...place, at: "latest" })));
  const gone = ends.map((offset) => Math.floor(offset * 0.8));
  let deleted = false;
  const options: WorkerOptions = {
    plan: air,
    broker: withMethods<Broker>(broker, {
      fetch: async (request) => {
        const at = request.partitions.filter(({ topic }) => topic === source);
        const isInside = at.some(({ offset, partition }) => {
          return offset > 0 && offset < (gone[partition] ?? 0);
        });
        if (isInside && !deleted) {
          deleted = true;
          await broker.deleteRecords(
            places.map((place, i) => ({ ...place, offset: gone[i] ?? 0 })),
          );
        }
        // Small fetches: what is ahead is not held yet.
        const partitions = request.partitions.map((each) => {
          return each.topic === source ? { ...each, maxBytes: 1 } : each;
        });
        return await broker.fetch({ ...request, partitions });
      },
    }),
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    acceptGaps,
  };
  const worker = await Worker.start(options);
  const done = async () => worker.finished(end) && (await worker.caughtUp());
  const run = () => worker.run(AbortSignal.timeout(60_000), done).finally(() => worker.close());
  return { registry, run, gone, wasDeleted: () => deleted };
}

async function deletedAhead(broker: Broker): Promise<void> {
  const { registry, run, gone, wasDeleted } = await losing(broker, true);
  await run();
  assert.ok(wasDeleted());
  const plan = { ...air, stored: [] };
  const offline = createMemoryOfflineStore();
  const { problems, sources } = await verifyRun({ plan, broker, registry, offline });
  assert.deepEqual(problems, []);
  const departures = sources.filter((each) => each.source === source);
  for (const [partition, { missing, records }] of departures.entries()) {
    assert.ok(missing > 0 && missing <= (gone[partition] ?? 0), `${missing} gone`);
    assert.equal(await countCommitted(broker, source, partition), records);
  }
  assert.ok(sources.every((each) => each.source === source || each.missing === 0));
}

async function compacted(): Promise<void> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics([
    { name: source, partitions: 4, config: { "cleanup.policy": "compact" } },
  ]);
  await broker.createTopics(air.topics.filter(({ name }) => name !== source));
  await produceInPieces(broker, registry);
  const spec = air.sources.find(({ topic }) => topic === source) as SourceSpec;
  const encoder = await sourceEncoder(registry, spec);
  const [first = { record: {} }] = (logs.get(source)?.[0] ?? []).filter(
    (entry) => "record" in entry,
  );
  const record = "record" in first ? first.record : {};
  const key = Buffer.from(String(record["flightId"]));
  const producer = await broker.producer({ transactionalId: null });
  const send = async (value: Buffer | null): Promise<void> => {
    const batch = new RecordBatchBuilder();
    batch.append(key, value, 0);
    await producer.send([{ topic: source, partition: 0, batch: batch.build() }]);
  };
  const before = await countCommitted(broker, source, 0);
  // A record that no schema reads, then a tombstone, then the record again: all of one key.
  const value = new ByteWriter();
  encoder.encode(record, value);
  const bytes = value.take();
  await send(Buffer.from("no Avro"));
  await send(null);
  const options: WorkerOptions = {
    ...{ plan: air, broker, registry, instanceId: "0" },
    mode: { kind: "replay" },
    execute: async (_, work) => executeAir(work),
  };
  const runOn = async () => {
    const worker = await Worker.start(options);
    const done = async () => worker.finished(end) && (await worker.caughtUp());
    await worker.run(AbortSignal.timeout(60_000), done);
    await worker.close();
  };
  await runOn();
  await send(bytes);
  broker.compact();
  assert.ok((await countCommitted(broker, source, 0)) < before, "compaction leaves holes");
  await runOn();
  const plan = { ...air, stored: [] };
  const offline = createMemoryOfflineStore();
  const { problems, sources } = await verifyRun({ plan, broker, registry, offline });
  assert.deepEqual(problems, []);
  const [own] = sources.filter((each) => each.source === source);
  assert.equal(own?.deadLettered, 2, "what is no record and a tombstone are dead letters");
  await broker.close();
}

test("records deleted ahead of a run end it by name, while it runs", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const { run } = await losing(broker, false);
  await assert.rejects(run(), { code: "SOURCE_GAP" });
  await broker.close();
});

test("records deleted ahead of a run that may go on are counted, and verify names them", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await deletedAhead(broker);
  await broker.close();
});

test("the same on a real Kafka", { skip: requirement("java", "maven") }, () =>
  onKafka(deletedAhead),
);

test(
  "a source with holes of compaction and tombstones is read through, and verify finds nothing",
  compacted,
);
