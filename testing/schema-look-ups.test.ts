import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { readCommitted } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import type { Mode } from "../runtime/engine/task-factory.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { openConfluentRegistry } from "../runtime/schema-registry/confluent.ts";
import { json, startRegistryServer } from "../runtime/schema-registry/registry-server-fixture.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { deadLetter } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";

interface Reading {
  readonly sensor: string;
  readonly at: number;
}

const reading = recordSchema<Reading>({
  type: "record",
  name: "Reading",
  fields: [
    { name: "sensor", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});
const sensors = from("readings", reading)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("sensor")
  .keyedBy("sensor")
  .over("1h")
  .compute({ readings: agg.count() })
  .asFeatureView("sensors@1", { ttl: "1d" })
  .into(online);
const plan = topology("looks", { sensors });
const noon = Date.UTC(2026, 0, 1, 12);

const server = await startRegistryServer();
const registry = openConfluentRegistry({ url: server.url, retries: 0, timeoutMs: 200 });
after(async () => {
  await registry.close();
  await server.close();
});

/** Writes one reading a schema id, all of a sensor. */
async function send(broker: Broker, sensor: string, ids: readonly number[]): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  const builder = new RecordBatchBuilder();
  for (const id of ids) {
    const value = new ByteWriter();
    new AvroEncoder(reading, id).encode({ sensor, at: noon }, value);
    builder.append(Buffer.from(sensor), value.take(), noon);
  }
  const partition = partitionOf(sensor, plan.partitions);
  await producer.send([{ topic: "readings", partition, batch: builder.build() }]);
  await producer.close();
}

async function startWorker(
  broker: Broker,
  mode: Mode,
  onCommit: () => void = () => {},
  own: Pick<WorkerOptions, "registry" | "instanceId"> = { registry, instanceId: "0" },
) {
  return await Worker.start({
    plan,
    broker,
    mode,
    ...own,
    execute: async () => Buffer.alloc(0),
    commitIntervalMs: 0,
    idleWaitMs: 10,
    onCommit,
  });
}

const placeOf = (sensor: string) => partitionOf(sensor, plan.partitions);

const live: Mode = { kind: "live", now: () => noon, maxWaitMs: 1_000 };

/** Offsets, codes and reasons of all dead letters. */
async function lettersOf(broker: Broker) {
  const decoder = new AvroDecoder(registry, deadLetter);
  const values: Buffer[] = [];
  for (let partition = 0; partition < plan.partitions; partition++) {
    await readCommitted(broker, "looks.dead-letters", partition, (reader) => {
      values.push(Buffer.from(reader.buffer.subarray(reader.valueStart, reader.valueEnd)));
    });
  }
  const letters = await Promise.all(
    values.map((value) => decoder.decodeAwaiting(value, 0, value.length)),
  );
  return letters.map(({ offset, code, reason }) => [offset, code, reason]);
}

type Sent = readonly (readonly [sensor: string, ids: readonly number[]])[];

/** What was sent, read anew with the decisions of a live run. */
async function reread(live: Broker, sent: Sent): Promise<Broker> {
  const again = await openEmbeddedBroker({ directory: null });
  await again.createTopics(plan.topics);
  for (const [sensor, ids] of sent) await send(again, sensor, ids);
  const producer = await again.producer({ transactionalId: null });
  const decisions = new RecordBatchBuilder();
  await readCommitted(live, "looks.decisions", 0, ({ buffer, valueStart, valueEnd }) => {
    decisions.append(null, Buffer.from(buffer.subarray(valueStart, valueEnd)), 0);
  });
  await producer.send([{ topic: "looks.decisions", partition: 0, batch: decisions.build() }]);
  const rereading = await startWorker(again, { kind: "replay", decisions: "all" });
  await rereading.run(AbortSignal.timeout(30_000), () => rereading.caughtUp());
  await rereading.close();
  return again;
}

test("a record that waits for its schema stops its partition alone, and is read in the end", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const good = await registry.register("readings-value", reading);
  const unanswered = Array.from({ length: 300 }, (_, i) => 5_000 + i);
  for (const id of unanswered) server.instead.set(`/schemas/ids/${id}`, () => {});
  assert.notEqual(partitionOf("a", plan.partitions), partitionOf("c", plan.partitions));
  await send(broker, "a", [...unanswered, good]);
  await send(broker, "c", [good, good]);
  const stop = new AbortController();
  const positionOf = (sensor: string) =>
    worker.tasks.flatMap((task) =>
      task instanceof SourceTask && task.partition === partitionOf(sensor, plan.partitions)
        ? [task.position]
        : [],
    )[0];
  const worker = await startWorker(broker, live, () => {
    if (positionOf("c") === 2) stop.abort();
  });
  await worker.run(AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]));
  assert.deepEqual([positionOf("a"), positionOf("c")], [0, 2]);
  for (const id of unanswered) server.instead.delete(`/schemas/ids/${id}`);
  await worker.run(AbortSignal.timeout(30_000), () => positionOf("a") === 301);
  await worker.close();
  const letters = await lettersOf(broker);
  assert.equal(letters.length, 300);
  assert.ok(letters.every(([, code]) => code === "UNKNOWN_SCHEMA"));
  await broker.close();
});

test("a re-reading repeats what the registry refused live, though it gives the schema by now", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const good = await registry.register("readings-value", reading);
  server.instead.set("/schemas/ids/7000", json(403, { message: "not yours" }));
  await send(broker, "a", [good, 7_000, 7_001, good]);
  const worker = await startWorker(broker, live);
  await worker.run(AbortSignal.timeout(30_000), () => worker.caughtUp());
  await worker.close();
  const refused = await lettersOf(broker);
  assert.deepEqual(
    refused.map(([offset, code]) => [offset, code]),
    [
      [1, "UNKNOWN_SCHEMA"],
      [2, "UNKNOWN_SCHEMA"],
    ],
  );
  for (const id of [7_000, 7_001]) {
    server.instead.set(`/schemas/ids/${id}`, json(200, { schema: JSON.stringify(reading) }));
  }
  const again = await reread(broker, [["a", [good, 7_000, 7_001, good]]]);
  assert.deepEqual(await lettersOf(again), refused);
  await broker.close();
  await again.close();
});

test("each of two workers reads an id that both have refused, a while after it is registered", async (context) => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const good = await registry.register("readings-value", reading);
  // The next one that a registry gives.
  const later = 1 + (await registry.register("others-value", { ...reading, name: "Other" }));
  const sensors = [..."abcdefghijklmnop"].filter(
    (sensor, index, all) => index === all.findIndex((each) => placeOf(each) === placeOf(sensor)),
  );
  assert.equal(sensors.length, plan.partitions);
  const clock = performance.now.bind(performance);
  let aheadMs = 0;
  context.mock.method(performance, "now", () => clock() + aheadMs);
  const workers: Worker[] = [];
  const hasRead = async (records: number) => {
    const tasks = workers.flatMap((worker) => worker.tasks);
    const sources = tasks.flatMap((task) => (task instanceof SourceTask ? [task.position] : []));
    if (sources.length < sensors.length || sources.some((position) => position < records)) {
      return false;
    }
    return (await Promise.all(workers.map((worker) => worker.caughtUp()))).every(Boolean);
  };
  let sent = 0;
  const sendAll = async (...ids: number[]) => {
    for (const sensor of sensors) await send(broker, sensor, ids);
    sent += ids.length;
  };
  const registries = ["0", "1"].map((instanceId) => ({
    instanceId,
    registry: openConfluentRegistry({ url: server.url, retries: 0, timeoutMs: 5_000 }),
  }));
  const runs: Promise<void>[] = [];
  // The second one joins while the first one runs: else it would wait for its answer.
  for (const own of registries) {
    const worker = await startWorker(broker, live, () => {}, own);
    workers.push(worker);
    runs.push(
      worker.run(AbortSignal.timeout(30_000), async () => workers.length > 1 && hasRead(sent)),
    );
  }
  const readOn = async () => {
    const signal = AbortSignal.timeout(30_000);
    await Promise.all(workers.map((worker) => worker.run(signal, () => hasRead(sent))));
  };
  await Promise.all(runs);
  assert.ok(workers.every(({ tasks }) => tasks.some((task) => task instanceof SourceTask)));
  await sendAll(good, later);
  await readOn();
  assert.equal((await lettersOf(broker)).length, sensors.length);

  assert.equal(await registry.register("readings-value", { ...reading, doc: "newer" }), later);
  await sendAll(later);
  await readOn();
  const refused = await lettersOf(broker);
  assert.equal(refused.length, 2 * sensors.length, "it has been asked for just now");

  aheadMs = 11_000;
  await sendAll(later, good);
  await readOn();
  assert.deepEqual(await lettersOf(broker), refused);
  assert.ok(refused.every(([offset, code]) => Number(offset) < 3 && code === "UNKNOWN_SCHEMA"));

  const again = await reread(
    broker,
    sensors.map((sensor) => [sensor, [good, later, later, later, good]]),
  );
  assert.deepEqual(await lettersOf(again), refused);
  await Promise.all(workers.map((worker) => worker.close()));
  await Promise.all(registries.map((own) => own.registry.close()));
  await again.close();
  await broker.close();
});
