import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { tallyGroup, tallyText } from "../../runtime/row-topics/tally.ts";
import { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../../runtime/schema-registry/embedded.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { hashed } from "../../schemas/encodings/kinds.ts";
import { json } from "../../schemas/formats/kinds.ts";
import { types } from "../../schemas/formats/types.ts";
import { deadLetter, lateRecord } from "../../schemas/generated.ts";
import { type Plan, stepsOf } from "../../schemas/plan.ts";
import { servedTopic, shadowsTopic } from "../../schemas/topic-names.ts";
import { offline, topic } from "../../topologies/dsl/roles.ts";
import { prior } from "../../topologies/dsl/scoring.ts";
import { from } from "../../topologies/dsl/stream.ts";
import { topology } from "../../topologies/dsl/topology.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { compareTopics } from "./compare-topics.ts";

const registry = createMemoryRegistry();
const rows = "flights.origin_delays.v1.rows";

async function sides({ topics }: Pick<Plan, "topics"> = plan) {
  const [run, reread] = [
    await openEmbeddedBroker({ directory: null }),
    await openEmbeddedBroker({ directory: null }),
  ];
  for (const broker of [run, reread]) await broker.createTopics(topics);
  return { run, reread };
}

async function append(broker: Broker, topic: string, ...texts: (string | Buffer)[]): Promise<void> {
  await appendUnder("k", broker, topic, ...texts);
}

async function appendUnder(
  key: string,
  broker: Broker,
  topic: string,
  ...texts: (string | Buffer)[]
): Promise<void> {
  const builder = new RecordBatchBuilder();
  for (const text of texts) builder.append(Buffer.from(key), Buffer.from(text), 0);
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ topic, partition: 1, batch: builder.build() }]);
  await producer.close();
}

async function compare(run: Broker, reread: Broker, topic: string, ended = true) {
  const all = await compareTopics({ plan, registry, run, reread, ended });
  const found = all.find((each) => each.topic === topic);
  assert.ok(found);
  const others = all.filter((each) => each !== found).flatMap(({ differences }) => differences);
  assert.deepEqual(others, []);
  return found;
}

test("equal records in equal order are equal; the first difference of a partition is named", async () => {
  const { run, reread } = await sides();
  await append(run, "flights.late", "a", "b", "c");
  await append(reread, "flights.late", "a", "b", "c");
  assert.deepEqual((await compare(run, reread, "flights.late")).differences, []);
  await append(run, "flights.late", "d", "e");
  await append(reread, "flights.late", "e", "d");
  const { differences, records } = await compare(run, reread, "flights.late");
  assert.deepEqual(differences, ["flights.late/1: record 4 (offset 3): key k: 64, read again 65"]);
  assert.equal(records, 3);
});

test("late records and dead letters of several sources are compared in the order of each", async () => {
  for (const [topic, schema] of [
    ["flights.late", lateRecord],
    ["flights.dead-letters", deadLetter],
  ] as const) {
    const { run, reread } = await sides();
    const id = await registry.register(`${topic}-value`, schema);
    const reject = (source: string, partition: number, offset: number) => {
      const value = new ByteWriter();
      new AvroEncoder(schema, id).encode(
        {
          ...{ topic: source, partition, offset, timestamp: 0, key: null, headers: [] },
          ...{ value: Buffer.from("v"), eventTime: 1, streamTime: 2, latenessMs: 1 },
          ...{ schemaId: null, step: source, code: "NULL_KEY", reason: "r" },
        },
        value,
      );
      return value.take();
    };
    const [order, visit] = [
      [1, 2, 3].map((offset) => reject("shop.orders", 1, offset)),
      [7, 8].map((offset) => reject("shop.visits", 1, offset)),
    ] as [Buffer[], Buffer[]];
    await append(run, topic, ...order.slice(0, 2), ...visit, ...order.slice(2));
    await append(reread, topic, ...visit, ...order);
    const equal = await compare(run, reread, topic);
    assert.deepEqual([equal.differences, equal.records], [[], 5]);

    await append(run, topic, reject("shop.visits", 1, 9), reject("shop.visits", 1, 10));
    await append(reread, topic, reject("shop.visits", 1, 10), reject("shop.visits", 1, 9));
    const { differences } = await compare(run, reread, topic);
    assert.match(differences.join(), /\/1: of shop\.visits\/1: record 3 \(offset 5\): key k: /);
  }
});

const visits = from(
  "visits",
  json({ id: types.text(), at: types.timestamp("ms"), shop: types.text() }),
)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id");
const scores = visits
  .enrichedWith({}, { missing: "null", request: { shop: hashed("shop", 2) } })
  .scoredBy("visit", {
    ...{ model: "@champion", deadline: "20ms", fallback: prior(0.1), routed: { by: "shop" } },
  })
  .into(topic("scores"), offline);
const routedPlan = topology("shop", { scores });

test("what a gateway served, and shadows beside it, is not read again: nobody asks twice", async () => {
  const { run, reread } = await sides(routedPlan);
  const asked = [servedTopic, shadowsTopic].map((of) => of("shop", "scores"));
  for (const each of asked) await append(run, each, "a");
  const all = await compareTopics({ plan: routedPlan, registry, run, reread, ended: true });
  const names = all.map((each) => each.topic);
  for (const each of asked) {
    assert.ok(routedPlan.topics.some(({ name }) => name === each));
    assert.ok(!names.includes(each), each);
  }
  assert.ok(names.includes("scores"));
});

test("a record that is missing when read again is named; one too many counts once a run ended", async () => {
  const { run, reread } = await sides();
  await append(run, "flights.late", "a", "b");
  await append(reread, "flights.late", "a");
  const { differences } = await compare(run, reread, "flights.late");
  assert.match(differences.join(), /record 2 \(offset 1\): key k is not there when read again/);
  await append(reread, "flights.late", "b", "c", "d");
  const ended = await compare(run, reread, "flights.late", true);
  assert.match(ended.differences.join(), /2 records more when read again, after 2 equal ones/);
  const stopped = await compare(run, reread, "flights.late", false);
  assert.deepEqual([stopped.differences, stopped.beyond], [[], 2]);
});

test("of a row topic, purged rows are passed over, by their tally", async () => {
  const { run, reread } = await sides();
  await append(reread, rows, "a", "b", "c");
  await append(run, rows, "purged", "about to be purged", "c");
  const tally = { below: 2, rows: 2, crcSum: 0n };
  const place = { topic: rows, partition: 1, offset: 2, metadata: tallyText(tally) };
  await run.commitOffsets(tallyGroup(plan.name), [place], null);
  const found = await compare(run, reread, rows);
  assert.deepEqual([found.differences, found.records, found.purged], [[], 1, 2]);
});

test("progress is no row, and a row whose entity has its key is one", async () => {
  const { run, reread } = await sides();
  await appendUnder("\0", run, rows, "progress", "another!");
  await appendUnder("\0", reread, rows, "elsewhen");
  const equal = await compare(run, reread, rows);
  assert.deepEqual([equal.differences, equal.records], [[], 0]);
  await appendUnder("\0", run, rows, "a row, not progress");
  const { differences } = await compare(run, reread, rows);
  assert.match(differences.join(), /is not there when read again/);
});

test("a prediction may take another time, and must be equal in all else", async () => {
  const { run, reread } = await sides();
  const topic = "flights.predictions";
  await append(run, topic, await prediction({ latencyMs: 1.5 }));
  await append(reread, topic, await prediction({ latencyMs: 99 }));
  assert.deepEqual((await compare(run, reread, topic)).differences, []);
  await append(run, topic, await prediction({ incomplete: false }));
  await append(reread, topic, await prediction({ incomplete: true }));
  const { differences } = await compare(run, reread, topic);
  assert.match(differences.join(), /record 2 .*: incomplete is false, read again true/);
});

async function prediction(changes: Record<string, unknown>): Promise<Buffer> {
  const output = plan.subtopologies
    .flatMap(({ outputs }) => outputs)
    .find((each) => each.kind === "topic" && each.topic === "flights.predictions");
  const [scoring] = stepsOf(plan, "scoring");
  assert.ok(output?.kind === "topic" && scoring !== undefined);
  const id = await registry.register("flights.predictions-value", output.schema);
  const value = new ByteWriter();
  new AvroEncoder(output.schema, id).encode(
    {
      ...{ flightId: 1, eventTime: 1, knownAt: 2, probability: 0.2, fallback: true, model: "m" },
      ...{ version: null, incomplete: false, latencyMs: 0, featuresAsOf: null },
      ...{ sourcePartition: 0, sourceOffset: 0 },
      features: Object.fromEntries(scoring.features.map((name) => [name, null])),
      ...changes,
    },
    value,
  );
  return value.take();
}
