/*
 * Sources that are given partitions while a topology runs, or between two of its runs: all that
 * stands in the new ones is read, nothing is dropped, read twice or in another order, and the whole
 * can be read again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { committedPages } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { openOverlayBroker } from "../broker/overlay/overlay-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { branchAccounts } from "../runtime/engine/accounting.ts";
import { takeUpAddedPartitions } from "../runtime/engine/added-partitions.ts";
import { planAsRead } from "../runtime/engine/plan-on-sources.ts";
import type { Mode } from "../runtime/engine/task-factory.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { errorOf } from "../schemas/errors.ts";
import { type Decision, decision, watermark } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Plan } from "../schemas/plan.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { offline } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { departure } from "../topologies/flights/generated.ts";
import { executeAir } from "./air-input-fixture.ts";
import { collectAir, compareAir, rowsOf } from "./air-output-fixture.ts";
import { air, makeSent, type Sent, scatteredAir } from "./schedule-fixture.ts";
import { type LogEntry, sequentialOracle } from "./sequential-oracle.ts";
import { seededRandom } from "./simulator.ts";
import { withMethods } from "./with-methods-fixture.ts";

const [departures, arrivals] = ["air.departures", "air.arrivals"] as const;
const day = 86_400_000;

interface World {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
}

async function world(plan: Plan): Promise<World> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  const fed = plan.topics.filter(({ role }) => role === "source" || role === "watermarks");
  await broker.createTopics(
    fed.map((topic) => (topic.role === "source" ? { ...topic, partitions: 4 } : topic)),
  );
  return { plan, broker, registry };
}

/** Sends records to where a producer that knows so many partitions puts them. */
async function send(
  { plan, broker, registry }: World,
  sent: readonly Sent[],
  partitions: number,
): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  for (const source of plan.sources) {
    const encoder = await sourceEncoder(registry, source);
    const batches = new Map<number, RecordBatchBuilder>();
    for (const { record } of sent.filter((each) => each.source === source.topic)) {
      const key = String(record["flightId"]);
      const partition = partitionOf(key, partitions);
      const batch = batches.get(partition) ?? new RecordBatchBuilder();
      batches.set(partition, batch);
      const value = new ByteWriter();
      encoder.encode(record, value);
      batch.append(Buffer.from(key), value.take(), 0);
    }
    for (const [partition, batch] of batches) {
      await producer.send([{ topic: source.topic, partition, batch: batch.build() }]);
    }
  }
  await producer.close();
}

/** Says that nothing before an instant follows on what stands now. */
async function mark({ plan, broker, registry }: World, before: number): Promise<void> {
  const producer = await broker.producer({ transactionalId: null });
  for (const { topic } of plan.sources) {
    const [{ partitions = 0 } = {}] = await broker.describeTopics([topic]);
    const endOffsets = await broker.listOffsets(
      Array.from({ length: partitions }, (_, partition) => {
        return { topic, partition, at: "latest" as const };
      }),
    );
    const marks = watermarksTopic(plan.name, topic);
    const encoder = new AvroEncoder(
      watermark,
      await registry.register(`${marks}-value`, watermark),
    );
    const value = new ByteWriter();
    encoder.encode({ before, endOffsets }, value);
    const batch = new RecordBatchBuilder();
    batch.append(null, value.take(), 0);
    await producer.send([{ topic: marks, partition: 0, batch: batch.build() }]);
  }
  await producer.close();
}

/** Runs until all before an instant is done; or for so many commits, or until nothing is left. */
async function runOn(
  { plan, broker, registry }: World,
  mode: Mode,
  to: number,
  most = Number.POSITIVE_INFINITY,
): Promise<Worker> {
  const stop = new AbortController();
  let commits = 0;
  const worker = await Worker.start({
    ...{ plan, broker, registry, mode, instanceId: "0" },
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    stepBudget: 40,
    onCommit: () => {
      if (++commits >= most) stop.abort();
    },
  });
  const isAll = !Number.isFinite(most);
  const done = async () => (!isAll || worker.finished(to)) && (await worker.caughtUp());
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(40_000)]);
  await worker.run(signal, done).finally(() => worker.close());
  assert.ok(stop.signal.aborted || !signal.aborted, "it came to its end");
  return worker;
}

/** What a run anew leaves, given what it was given and decided when partitions were added. */
async function readAgain(here: World, mode: Mode, to: number) {
  const fresh = await openEmbeddedBroker({ directory: null });
  const roles = new Set(["source", "watermarks", "decisions"]);
  const plan = await planAsRead(here.broker, here.plan);
  const inputs = plan.topics.filter(({ role }) => roles.has(role)).map(({ name }) => name);
  const broker = await openOverlayBroker(here.broker, fresh, inputs);
  await runOn({ ...here, plan, broker }, mode, to);
  return await collectAir(fresh, here.registry, here.plan);
}

/** Every record taken once: none is late, misplaced or lost, and each departure is predicted. */
async function assertAllTaken(here: World, worker: Worker, sent: readonly Sent[]): Promise<void> {
  const plan = await planAsRead(here.broker, here.plan);
  const accounts = branchAccounts(plan, worker.tasks);
  for (const [topic, branch] of [
    [departures, "predictions"],
    [arrivals, "origin_delays@1"],
  ] as const) {
    const of = accounts.filter((each) => each.source === topic && each.branch === branch);
    assert.ok(of.length > 4, `${topic} has ${of.length} accounts`);
    const sum = (what: "in" | "late" | "deadLettered" | "processed" | "filtered") =>
      of.reduce((total, each) => total + each[what], 0);
    assert.equal(sum("in"), sent.filter(({ source }) => source === topic).length, topic);
    assert.equal(sum("deadLettered"), 0, topic);
    assert.equal(sum("processed") + sum("late") + sum("filtered"), sum("in"), topic);
    assert.ok(of.slice(4).every((each) => each.in > 0));
  }
}

for (const [plan, seed] of [
  [air, 3],
  [air, 4],
  [scatteredAir, 5],
] as const) {
  test(`a replay whose sources grow in the middle goes on and reads again alike: ${plan.name} ${seed}`, async () => {
    const here = await world(plan);
    const random = seededRandom(seed);
    const all = makeSent(seed, 500, 4);
    const [first = 0, second = 0] = [Math.floor(all.length / 3), Math.floor((2 * all.length) / 3)];
    const end = (all.at(-1)?.at ?? 0) + 3 * day;
    const replay: Mode = { kind: "replay" };
    await send(here, all.slice(0, first), 4);
    await runOn(here, replay, end, 1 + Math.floor(random() * 40));
    // One source, then the other, the second time too.
    await here.broker.addPartitions(departures, 6);
    await here.broker.addPartitions(arrivals, 6);
    await send(here, all.slice(first, second), 6);
    assert.deepEqual(await takeUpAddedPartitions(here.broker, plan), [
      { topic: arrivals, before: 4, now: 6 },
      { topic: departures, before: 4, now: 6 },
    ]);
    assert.deepEqual(await takeUpAddedPartitions(here.broker, plan), []);
    await runOn(here, replay, end, 1 + Math.floor(random() * 40));
    await here.broker.addPartitions(departures, 7);
    await here.broker.addPartitions(arrivals, 7);
    await send(here, all.slice(second), 7);
    await takeUpAddedPartitions(here.broker, plan);
    await mark(here, end);
    const worker = await runOn(here, replay, end);
    await assertAllTaken(here, worker, all);
    const found = await collectAir(here.broker, here.registry, plan);
    const again = await readAgain(here, { kind: "replay", decisions: "partitions" }, end);
    assert.deepEqual(again.output, found.output);
    assert.equal(again.digest, found.digest);
    await here.broker.close();
  });
}

test("a live run whose sources grow reads again alike", async () => {
  const here = await world(air);
  const all = makeSent(7, 300, 3);
  const half = Math.floor(all.length / 2);
  const clock = { now: all[half]?.at ?? 0 };
  const live: Mode = { kind: "live", now: () => clock.now, maxWaitMs: 5 };
  await send(here, all.slice(0, half), 4);
  await runOn(here, live, clock.now);
  await here.broker.addPartitions(departures, 6);
  await here.broker.addPartitions(arrivals, 5);
  clock.now = (all.at(-1)?.at ?? 0) + day;
  await send(
    here,
    all.slice(half).filter(({ source }) => source === departures),
    6,
  );
  await send(
    here,
    all.slice(half).filter(({ source }) => source === arrivals),
    5,
  );
  await takeUpAddedPartitions(here.broker, air);
  const worker = await runOn(here, live, clock.now);
  await assertAllTaken(here, worker, all);
  const found = await collectAir(here.broker, here.registry);
  const again = await readAgain(
    here,
    { kind: "replay", decisions: "all" },
    Number.NEGATIVE_INFINITY,
  );
  assert.deepEqual(again.output, found.output);
  assert.equal(again.digest, found.digest);
  await here.broker.close();
});

/** The same logs as the source topics have them, and where watermarks hold in them. */
function logsOf(
  parts: readonly {
    readonly sent: readonly Sent[];
    readonly partitions: number;
    readonly before: number | null;
  }[],
) {
  const most = Math.max(...parts.map(({ partitions }) => partitions));
  const logs = new Map<string, LogEntry[][]>(
    [departures, arrivals].map((topic) => [topic, Array.from({ length: most }, () => [])]),
  );
  for (const { sent, partitions, before } of parts) {
    for (const { source, record } of sent) {
      const partition = partitionOf(String(record["flightId"]), partitions);
      logs.get(source)?.[partition]?.push({ record });
    }
    // A partition that is added later lies behind the end of every watermark before.
    if (before !== null) for (const log of [...logs.values()].flat()) log.push({ before });
  }
  return logs;
}

/** Of records sent so far those that a partition of six has which four partitions have not. */
const isOld = ({ record }: Sent) => partitionOf(String(record["flightId"]), 6) > 3;

for (const [plan, seed] of [
  [air, 11],
  [scatteredAir, 12],
] as const) {
  test(`what stands in added partitions is late by the watermarks before, or counts as ever: ${plan.name} ${seed}`, async () => {
    const here = await world(plan);
    const all = makeSent(seed, 400, 4);
    const [half, until] = [Math.floor(all.length / 2), all[Math.floor(all.length / 2)]?.at ?? 0];
    const first = all.slice(0, half).filter((each, n) => n % 3 > 0 || !isOld(each));
    const second = all.filter((each) => !first.includes(each));
    const end = (all.at(-1)?.at ?? 0) + 3 * day;
    const replay: Mode = { kind: "replay" };
    await send(here, first, 4);
    await mark(here, until);
    await runOn(here, replay, until);
    await here.broker.addPartitions(departures, 6);
    await here.broker.addPartitions(arrivals, 6);
    await send(here, second, 6);
    await takeUpAddedPartitions(here.broker, plan);
    await mark(here, end);
    await runOn(here, replay, end);
    const logs = logsOf([
      { sent: first, partitions: 4, before: until },
      { sent: second, partitions: 6, before: end },
    ]);
    const expected = sequentialOracle(plan, logs);
    const old = second.filter(({ at }) => at < until).length;
    assert.ok(old > 10 && expected.late.length > old / 2, `${old} ${expected.late.length}`);
    compareAir((await collectAir(here.broker, here.registry, plan)).output, expected, plan.name);
    await here.broker.close();
  });
}

test("without a watermark, what stands in an added partition counts from when it was taken up", async () => {
  const timed = from(departures, departure).timedBy("departedAt", { lateness: "10m" });
  const departed = timed
    .repartitionedBy("flightId")
    .keyedBy("origin")
    .over("3h", "12h")
    .compute({ flights: agg.count(), miles: agg.mean("distanceMiles") })
    .asFeatureView("departed@1", { ttl: "48h" })
    .into(offline);
  const plan = topology("air", { departed }, { partitions: 1 });
  const here = await world(plan);
  const all = makeSent(13, 400, 3).filter(({ source }) => source === departures);
  const half = Math.floor(all.length / 2);
  const first = all.slice(0, half).filter((each, n) => n % 3 > 0 || !isOld(each));
  const second = all.filter((each) => !first.includes(each));
  const end = (all.at(-1)?.at ?? 0) + 3 * day;
  const replay: Mode = { kind: "replay" };
  await send(here, first, 4);
  await runOn(here, replay, end, 10_000);
  await here.broker.addPartitions(departures, 6);
  await send(here, second, 6);
  assert.equal((await takeUpAddedPartitions(here.broker, plan)).length, 1);
  await mark(here, end);
  await runOn(here, replay, end);
  const floors = await joinedAt(here);
  assert.deepEqual([...floors.keys()].sort(), [4, 5]);
  const logs = logsOf([
    { sent: first, partitions: 4, before: null },
    { sent: second, partitions: 6, before: end },
  ]);
  const byTopic = new Map([[departures, floors]]);
  const expected = sequentialOracle(plan, logs, byTopic);
  const rows = (await rowsOf(plan, here.broker)).sort();
  assert.deepEqual(rows, expected.rows);
  assert.notDeepEqual(rows, sequentialOracle(plan, logs).rows, "not at their own times");
  const floor = Math.max(...floors.values());
  const before = (each: string) => Number(each.split("|")[2]) < Math.min(...floors.values());
  const alone = sequentialOracle(plan, logsOf([{ sent: first, partitions: 4, before: end }]));
  assert.deepEqual(rows.filter(before), alone.rows.filter(before), "what was told stays");
  assert.ok(second.filter(({ at }) => at < floor).length > 10);
  await here.broker.close();
});

/** By partition from when on its records count, as its tasks have decided. */
async function joinedAt({ broker, registry }: World): Promise<ReadonlyMap<number, number>> {
  const decoder = new AvroDecoder(registry, decision);
  const floors = new Map<number, number>();
  for await (const page of committedPages(broker, "air.decisions", 0)) {
    for (const { value } of page) {
      if (value === null) continue;
      const told = await decoder.decodeAwaiting(value, 0, value.length);
      const { kind, writer, from: floor } = told as unknown as Decision;
      if (kind === "joined" && writer !== null) floors.set(writer, Number(floor));
    }
  }
  return floors;
}

test("a key in the place that more partitions give it ends a run that does not know them yet", async () => {
  const here = await world(air);
  const all = makeSent(9, 60, 1).filter(({ source }) => source === departures);
  let told = 4;
  const broker = withMethods<Broker>(here.broker, {
    describeTopics: async (names?: readonly string[]) =>
      (await here.broker.describeTopics(names)).map((topic) =>
        topic.name === departures ? { ...topic, partitions: told } : topic,
      ),
  });
  const worker = await Worker.start({
    ...{ plan: air, broker, registry: here.registry, instanceId: "0" },
    mode: { kind: "replay" },
    execute: async (_, work) => executeAir(work),
  });
  await here.broker.addPartitions(departures, 6);
  told = 6;
  await send(here, all, 6);
  const expected = errorOf("SOURCE_PARTITIONS", { topic: departures, actual: 6, read: 4 });
  await assert.rejects(worker.run(AbortSignal.timeout(30_000)), { message: expected.message });
  const letters = await here.broker.listOffsets(
    [0, 1, 2, 3].map((partition) => {
      return { topic: "air.dead-letters", partition, at: "latest" as const };
    }),
  );
  assert.deepEqual(letters, [0, 0, 0, 0], "nothing is a dead letter that is right for more");
  await worker.close();
  await here.broker.close();
});
