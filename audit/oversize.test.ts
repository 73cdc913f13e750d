import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { branchAccounts } from "../runtime/engine/accounting.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { watermark } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Plan, TopicSpec } from "../schemas/plan.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { createMemoryOfflineStore } from "../sinks/memory/memory.ts";
import { standIn } from "../testing/driver-models.ts";
import { type DriverRecord, readAll, send } from "../testing/driver-topics.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { custom } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { upper } from "../topologies/dsl/select.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { verifyRun } from "./verify-run.ts";

interface Payment {
  readonly id: string;
  readonly shop: string;
  readonly note: string;
  readonly till: string;
  readonly at: number;
}

const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "id", type: "string" },
    { name: "shop", type: "string" },
    { name: "note", type: "string" },
    { name: "till", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});
const payments = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id")
  .identifiedBy("id");
const shops = payments
  .keyedBy("shop")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("shops@1", { ttl: "1d" })
  .into(online, offline);
const predictions = payments
  .enrichedWith({ shop: shops.at("shop") }, { missing: "null" })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
  .into(topic("predicted"), offline);
const tills = payments
  .keyedBy("till")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("tills@1", { ttl: "1d" })
  .into(online, offline);
const plan = topology("sizes", { predictions, tills });
const noon = Date.UTC(2026, 0, 1, 12);

/** The plan with topics of less room than ours have. */
function narrow(limits: Readonly<Record<string, number>>): Plan {
  const topics = plan.topics.map((each): TopicSpec => {
    const bytes = limits[each.name];
    if (bytes === undefined) return each;
    return { ...each, config: { ...each.config, "max.message.bytes": String(bytes) } };
  });
  return { ...plan, topics };
}

interface Sent {
  readonly payment: Payment;
  /** What stands in the place of the note's bytes: bytes that are no UTF-8. */
  readonly fill?: number;
  readonly headers?: readonly { readonly key: string; readonly value: Buffer }[];
}

/** Says that no record before an instant follows. */
async function endAt(broker: Broker, registry: SchemaRegistry, of: Plan, before: number) {
  const marks = watermarksTopic(of.name, "payments");
  const places = Array.from({ length: of.partitions }, (_, partition) => partition);
  const endOffsets = await broker.listOffsets(
    places.map((partition) => ({ topic: "payments", partition, at: "latest" as const })),
  );
  const id = await registry.register(`${marks}-value`, watermark);
  const value = new ByteWriter();
  new AvroEncoder(watermark, id).encode({ before, endOffsets }, value);
  const producer = await broker.producer({ transactionalId: null });
  await send(producer, marks, 0, null, value.take(), before);
}

/** Runs a plan over payments to the end; what came of it. */
async function runOver(of: Plan, sent: readonly Sent[]) {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(of.topics);
  const id = await registry.register("payments-value", payment);
  const producer = await broker.producer({ transactionalId: null });
  for (const { payment: record, fill, headers } of sent) {
    const value = new ByteWriter();
    new AvroEncoder(payment, id).encode(record, value);
    const bytes = value.take();
    const from = bytes.indexOf("~");
    if (fill !== undefined) bytes.fill(fill, from, bytes.lastIndexOf("~") + 1);
    const builder = new RecordBatchBuilder();
    builder.append(Buffer.from(record.id), bytes, record.at, headers);
    const partition = partitionOf(record.id, of.partitions);
    await producer.send([{ topic: "payments", partition, batch: builder.build() }]);
  }
  await endAt(broker, registry, of, noon + 7_200_000);
  const worker = await Worker.start({
    plan: of,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => standIn(work, {}, 0),
    commitIntervalMs: 0,
    idleWaitMs: 0,
  });
  await worker.run(new AbortController().signal, () => worker.caughtUp());
  const accounts = branchAccounts(of, worker.tasks);
  await worker.close();
  const checked = { ...of, stored: [] };
  const store = createMemoryOfflineStore();
  const report = await verifyRun({ plan: checked, broker, registry, offline: store });
  const letters: DriverRecord[] = [];
  const latest = await registry.latest("sizes.dead-letters-value");
  assert.ok(latest);
  for (let partition = 0; partition < of.partitions; partition++) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic: "sizes.dead-letters", partition, offset: 0, maxBytes: 1 << 26 }],
      isolation: "read_committed",
      maxWaitMs: 0,
      maxBytes: 1 << 26,
    });
    if (fetched) await readAll(fetched, new AvroDecoder(registry, latest.schema), letters);
  }
  await broker.close();
  return { accounts, report, letters: letters.map(({ value }) => value) };
}

function makePayment(id: string, fields: Partial<Payment> = {}): Payment {
  return { id, shop: "s", note: "n", till: "t", at: noon, ...fields };
}

function assertBalanced(accounts: ReturnType<typeof branchAccounts>): void {
  for (const { in: read, processed, late, deadLettered, filtered } of accounts) {
    assert.equal(read, processed + late + deadLettered + filtered);
  }
}

test("texts that outgrow their record once they are written are dead letters of their source", async () => {
  const { accounts, report, letters } = await runOver(plan, [
    { payment: makePayment("1", { note: "~".repeat(500_000) }), fill: 0xff },
    { payment: makePayment("2", { shop: "|".repeat(262_000) }) },
    { payment: makePayment("3") },
  ]);
  assert.deepEqual(letters.map(({ code }) => code).sort(), ["KEY_OVERSIZE", "TEXT_OVERSIZE"]);
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
  assert.equal(report.scorings[0]?.predictions, 1);
});

test("what a step derives and its topic does not take is a dead letter of the step", async () => {
  const long = "i".repeat(1_000);
  const { accounts, report, letters } = await runOver(
    narrow({ predicted: 2_048, "sizes.tills.v1.inbox": 1_500 }),
    [
      { payment: makePayment(long) },
      { payment: makePayment("2", { till: "x".repeat(600) }) },
      { payment: makePayment("3") },
    ],
  );
  assert.deepEqual(
    letters.map(({ code, step, offset, key }) => [code, step, offset, key === null]).sort(),
    [
      ["DERIVED_OVERSIZE", "payments", -1, true],
      ["DERIVED_OVERSIZE", "predictions", -1, false],
    ],
  );
  assertBalanced(accounts);
  const refused = accounts.filter(({ deadLettered }) => deadLettered > 0);
  assert.deepEqual(
    refused.map(({ branch, deadLettered }) => [branch, deadLettered]),
    [["tills@1", 1]],
  );
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[2, 2]],
  );
});

test("what a step refuses before scoring has no prediction, and verify asks for none", async () => {
  const once = payments.dedupedBy("id", { within: "1m" });
  const shouted = once.select({
    id: "id",
    at: "at",
    shop: upper("shop"),
    note: upper("note"),
  });
  const busy = shouted
    .keyedBy("shop")
    .over("1h")
    .compute({ payments: agg.count() })
    .asFeatureView("busy@1", { ttl: "1d" })
    .into(online, offline);
  const scores = shouted
    .enrichedWith({ shop: busy.at("shop") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  // Of 400 and 64,000 bytes; as capitals three times as many.
  const [shop, note] = ["\u0390".repeat(200), "\u0390".repeat(32_000)];
  const { accounts, report, letters } = await runOver(topology("sizes", { scores, busy }), [
    { payment: makePayment("1", { shop }) },
    { payment: makePayment("1", { shop: "s" }) },
    { payment: makePayment("2", { note }) },
    { payment: makePayment("3") },
  ]);
  assert.deepEqual(letters.map(({ code, step }) => [code, step]).sort(), [
    ["KEY_OVERSIZE", "payments-by-id"],
    ["TEXT_OVERSIZE", "payments-by-id"],
  ]);
  for (const { in: read, processed, deadLettered, duplicates } of accounts) {
    assert.equal(read, processed + deadLettered + duplicates);
  }
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("where a closure fails on a record, behind a source and a step, verify asks for no prediction", async () => {
  const failsOn = (cursed: string) =>
    custom({
      ...{ name: "fails", version: 1 },
      test: ({ id }: { readonly id: string }) => {
        if (id === cursed) throw new Error("no answer");
        return true;
      },
    });
  const scores = payments
    .where(failsOn("1"))
    .dedupedBy("id", { within: "1m" })
    .where(failsOn("2"))
    .enrichedWith({ shop: shops.at("shop") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  const { report, letters } = await runOver(topology("sizes", { scores }), [
    { payment: makePayment("1") },
    { payment: makePayment("2") },
    { payment: makePayment("3") },
  ]);
  assert.deepEqual(letters.map(({ code, step }) => [code, step]).sort(), [
    ["CLOSURE_FAILED", "payments"],
    ["CLOSURE_FAILED", "payments-by-id"],
  ]);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("an id that comes again is predicted again, and is no record that was predicted twice", async () => {
  const { report } = await runOver(plan, [
    { payment: makePayment("1") },
    { payment: makePayment("1", { at: noon + 1 }) },
  ]);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("a trigger too large for the topic of its step has no prediction, and verify asks for none", async () => {
  const { report, letters } = await runOver(narrow({ "sizes.predictions.inbox": 1_500 }), [
    { payment: makePayment("i".repeat(1_000)) },
    { payment: makePayment("3") },
  ]);
  assert.ok(letters.some(({ code }) => code === "DERIVED_OVERSIZE"));
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("a record too large for a dead letter leaves the first of its bytes", async () => {
  const source = plan.topics.find(({ role }) => role === "source")?.name ?? "";
  const header = { key: "h", value: Buffer.alloc(100) };
  const { accounts, report, letters } = await runOver(narrow({ [source]: 20_000_000 }), [
    { payment: makePayment("1", { note: "x".repeat(9_000_000) }), headers: [header] },
    { payment: makePayment("2", { at: -1 }), headers: [{ key: "h", value: Buffer.alloc(6e6) }] },
    { payment: makePayment("3") },
  ]);
  const byCode = new Map(letters.map((letter) => [letter["code"], letter]));
  const large = byCode.get("RECORD_OVERSIZE");
  assert.ok(large);
  assert.equal((large["value"] as Buffer).length, 1_048_576);
  assert.match(String(large["reason"]), /of its 9000\d\d\d bytes the first/);
  assert.deepEqual(byCode.get("EVENT_TIME_MISSING")?.["headers"], []);
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
});
