/** Views that were added to a topology: how they begin, are cut over, and are missed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { type Plan, stepsOf } from "../../schemas/plan.ts";
import { order, orders, shopTopology } from "../../testing/shops-fixture.ts";
import { agreeOnPlan } from "../engine/plan-agreement.ts";
import { changeText, checkStandingPlan, refuseChanges } from "../engine/standing-plan.ts";
import { pumpGroup } from "../row-topics/row-topics.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import { createSources } from "./create-sources.ts";
import { CutOvers } from "./cut-overs.ts";
import * as growths from "./growth.ts";
import type { Stack } from "./stack.ts";
import { evolutionOf, strandsOf, watchedStrands } from "./strands.ts";

const small = shopTopology("shops", 4);
const grown = shopTopology("shops", 4, { second: ["1h", "3h"] });
const minute = 60_000;
const hour = 60 * minute;

async function makeTopics(broker: Broker, plan: Plan): Promise<void> {
  const own = plan.topics.filter(({ role }) => role !== "source" && role !== "watermarks");
  await broker.createTopics(own);
}

/** Topics and plan of the small topology, and the plans as which the grown one runs beside it. */
async function standing() {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await createSources(broker, [grown]);
  await makeTopics(broker, small);
  await agreeOnPlan(broker, small);
  const [trunk, strand] = await strandsOf(broker, grown);
  assert.ok(trunk !== undefined && strand !== undefined);
  return { broker, registry, trunk, strand };
}

/** Begins a strand, and writes down what is known of it. */
async function beginStrand(all: Standing, strand: Plan, trunk: Plan, now: number | null) {
  const begun = await growths.beginStrand(all, strand, trunk, now);
  await makeTopics(all.broker, strand);
  if (begun.growth !== undefined) await growths.writeGrowth(all.broker, strand.name, begun.growth);
  return begun;
}

type Standing = Awaited<ReturnType<typeof standing>>;

/** Writes orders of these times to a partition; null: a record that is none. */
async function sendTo({ broker, registry }: Standing, partition: number, times: (number | null)[]) {
  const encoder = new AvroEncoder(order, await registry.register("orders-value", order));
  const batch = new RecordBatchBuilder();
  for (const at of times) {
    const value = new ByteWriter();
    if (at === null) value.f64(0);
    else encoder.encode({ ...orders[0], at }, value);
    batch.append(Buffer.from("k"), value.take(), 0);
  }
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ topic: "orders", partition, batch: batch.build() }]);
  await producer.close();
}

/** All tasks of a plan have come so far, and their pumps have stored what they have written. */
async function reach(broker: Broker, plan: Plan, time: number): Promise<void> {
  const places = plan.subtopologies.flatMap(({ inbox: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0 })),
  );
  const metadata = `${time} 0`;
  await broker.commitOffsets(
    plan.name,
    places.map((place) => ({ ...place, metadata })),
    null,
  );
}

async function lose({ broker }: Standing, offsets: readonly number[]): Promise<void> {
  await broker.deleteRecords(
    offsets.map((offset, partition) => ({ topic: "orders", partition, offset })),
  );
}

const since = ({ growth }: Plan) => growth?.completeSince["orders_1h"];
const t = orders[0]?.at ?? 0;

test("of a source that has lost all, a column is right from where the reading stands", async () => {
  const all = await standing();
  const { broker, trunk, strand } = all;
  for (const partition of [0, 1]) await sendTo(all, partition, [t]);
  await lose(all, [1, 1]);
  const place = { topic: "orders", partition: 1, offset: 1, metadata: `${t + 5 * minute} 0` };
  await broker.commitOffsets("shops", [place], null);
  const begun = await beginStrand(all, strand, trunk, null);
  assert.equal(since(begun), t + 5 * minute + minute + hour);
  const [, again] = await strandsOf(broker, grown);
  assert.deepEqual(again?.growth, begun.growth, "later starts keep to it");
});

test("of a live source that has lost all, a column is right from the clock on", async () => {
  const all = await standing();
  await sendTo(all, 0, [t]);
  await lose(all, [1]);
  const begun = await beginStrand(all, all.strand, all.trunk, t + hour);
  assert.equal(since(begun), t + hour + minute + hour);
});

test("who looks again and again gets the same plans as long as nothing changes", async () => {
  const all = await standing();
  const look = watchedStrands(all.broker, grown);
  const first = await look();
  assert.equal(await look(), first);
  const begun = await beginStrand(all, all.strand, all.trunk, t + hour);
  const second = await look();
  assert.deepEqual(second[1]?.growth, begun.growth);
  assert.equal(await look(), second);
});

test("records that are none, or beyond the clock, do not say where a source begins", async () => {
  const all = await standing();
  await sendTo(all, 0, [t, null, -1, 0, t + 9 * hour, t + 2 * minute, t + 3 * minute]);
  await lose(all, [1]);
  const begun = await beginStrand(all, all.strand, all.trunk, t + hour);
  assert.equal(since(begun), t + 2 * minute + minute + hour);
});

test("of a source that has its beginning, a column is right from there on", async () => {
  const all = await standing();
  await sendTo(all, 0, [t]);
  assert.equal(since(await beginStrand(all, all.strand, all.trunk, null)), null);
});

test("a cut-over that failed is done again, and once done, nothing is asked any more", async () => {
  const all = await standing();
  const { broker, trunk } = all;
  await makeTopics(broker, all.strand);
  const strand = await beginStrand(all, all.strand, trunk, null);
  let failures = 1;
  const names: string[] = [];
  const migrate = async (_: unknown, views: readonly { readonly name: string }[]) => {
    if (failures-- > 0) throw new Error("ClickHouse is away");
    names.push(...views.map(({ name }) => name));
  };
  const offline = { of: () => ({ migrate }) } as unknown as Stack["offline"];
  const plans = [trunk, strand];
  await reach(broker, trunk, t + 1);
  await reach(broker, strand, t);
  const cutOvers = new CutOvers(plans, { broker, offline });
  await cutOvers.look(() => assert.fail("it has not caught up"));
  await reach(broker, strand, t + 1);
  const done: Plan[] = [];
  await assert.rejects(cutOvers.look((plan) => done.push(plan)));
  assert.deepEqual([cutOvers.areDone, done], [false, []]);
  await cutOvers.look((plan) => done.push(plan));
  assert.deepEqual(
    done.map(({ name, growth }) => [name, growth?.cutOver]),
    [["shops.shop.v2", true]],
  );
  assert.ok(cutOvers.areDone && names.includes("shop"));
  broker.describeTopics = () => assert.fail("it asks on");
  await cutOvers.look(() => assert.fail("it is cut over again"));
});

test("a strand is cut over once its rows are stored, and what it takes over is right", async () => {
  const all = await standing();
  const { broker, trunk } = all;
  await makeTopics(broker, all.strand);
  const rows = all.strand.stored.find(({ table }) => table !== null);
  assert.ok(rows !== undefined && trunk.growth === undefined);
  const [view] = stepsOf(trunk, "view");
  assert.ok(view !== undefined);
  const widens = { view, table: null, strand: trunk.name };
  const growth = { completeSince: { large_1h: t + hour }, cutOver: false };
  const offline = { of: () => ({ migrate: async () => {} }) } as unknown as Stack["offline"];
  const cutOvers = new CutOvers([trunk, { ...all.strand, growth, widens }], { broker, offline });
  const notYet = (why: string) => cutOvers.look(() => assert.fail(why));
  await reach(broker, trunk, t);
  await reach(broker, all.strand, t);
  await notYet("it has come as far, but a column that stood is not right yet");
  await reach(broker, trunk, t + hour);
  await reach(broker, all.strand, t + hour);
  const batch = new RecordBatchBuilder();
  batch.append(Buffer.from("k"), Buffer.from("v"), 0);
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ topic: rows.topic, partition: 1, batch: batch.build() }]);
  await producer.close();
  await notYet("a row is in no store");
  const stands = async (sink: string) => {
    const place = { topic: rows.topic, partition: 1, offset: 1, metadata: "" };
    await broker.commitOffsets(pumpGroup(all.strand.name, sink, rows.topic), [place], null);
  };
  await stands("offline");
  await notYet("a row is in one store alone");
  await stands("online");
  const done: string[] = [];
  await cutOvers.look(({ name }) => done.push(name));
  assert.deepEqual(done, ["shops.shop.v2"]);
});

test("a view that was added, ran and is taken out again is missed, and its name kept", async () => {
  const { broker, strand } = await standing();
  assert.deepEqual((await evolutionOf(broker, small)).changes, [], "it has never run");
  await makeTopics(broker, strand);
  await agreeOnPlan(broker, strand);
  assert.deepEqual((await evolutionOf(broker, grown)).changes, []);
  // What others have called so is no plan.
  for (const name of ["shops.my.plan", "shopsX.shop.v2.plan"]) {
    await broker.createTopics([{ name, partitions: 1, config: {} }]);
    const batch = new RecordBatchBuilder();
    batch.append(Buffer.from("k"), Buffer.from("no JSON"), 0);
    const producer = await broker.producer({ transactionalId: null });
    await producer.send([{ topic: name, partition: 0, batch: batch.build() }]);
    await producer.close();
  }
  const gone = (await evolutionOf(broker, small)).changes;
  assert.deepEqual(
    gone.map(({ part, kind }) => [part, kind]),
    [["view shop@2", "break"]],
  );
  assert.ok(gone.every(({ remedy }) => remedy !== null));
  assert.throws(() => refuseChanges("shops", gone), { code: "PLAN_CHANGED" });
  assert.deepEqual(await checkStandingPlan(broker, small), [], "what stood goes on as it was");
});

test("what grows and what cannot are told apart in words", () => {
  const change = { part: "view once@1", kind: "grow", what: "gets orders_3h" } as const;
  const refused = { ...change, remedy: "keep the columns that it has" };
  assert.equal(changeText({ ...change, remedy: null }), "grow: view once@1: gets orders_3h");
  assert.throws(() => refuseChanges("shops", [{ ...change, remedy: null }, refused]), {
    code: "PLAN_CHANGED",
    message: /- grow, refused: view once@1: gets orders_3h \(keep the columns that it has\)/,
  });
});
