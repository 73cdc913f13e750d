/** Live mode by a clock that each look at the sources moves: what a topology writes when idle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { readCommitted } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { IdleAdvance } from "../runtime/engine/live/idle-advance.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { withMethods } from "./with-methods-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;
const sources = new Set(air.sources.map(({ topic }) => topic));
const registry = createMemoryRegistry();

/** Records and markers in all topics of the plan, and the offsets that its group has committed. */
async function countRecords(broker: Broker): Promise<number> {
  const places = air.topics.flatMap(({ name: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" as const })));
  return ends.reduce((sum, end) => sum + end, 0);
}

async function startLive(broker: Broker, from: number, stepMs: number, instanceId = "0") {
  const clock = { now: from, stepMs, commits: 0 };
  const world = withMethods<Broker>(broker, {
    listOffsets: async (places) => {
      const isLook = places.every(({ topic, at }) => at === "latest" && sources.has(topic));
      if (isLook) clock.now += clock.stepMs;
      return await broker.listOffsets(places);
    },
  });
  const worker = await Worker.start({
    plan: air,
    broker: world,
    registry,
    mode: { kind: "live", now: () => clock.now, maxWaitMs: 40 * minute },
    instanceId,
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    idleWaitMs: 5,
    onCommit: () => {
      clock.commits++;
    },
  });
  return { worker, clock };
}

const { quietMs } = new IdleAdvance(
  air,
  await openEmbeddedBroker({ directory: null }),
  () => 0,
  () => {},
);

test("however many partitions there are, progress follows the clock within a quarter of an hour", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  for (const partitions of [1, 32, 1_024]) {
    const subtopologies = air.subtopologies.map((each) => ({ ...each, partitions }));
    const wide = { ...air, subtopologies };
    const { quietMs: distance } = new IdleAdvance(
      wide,
      broker,
      () => 0,
      () => {},
    );
    assert.ok(distance > 0 && distance <= 15 * minute, `${partitions}: ${distance} ms`);
  }
  await broker.close();
});

test("a live topology without events writes less than a record a second, and follows the clock", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  const from = Date.UTC(2001, 0, 1);
  const { worker, clock } = await startLive(broker, from, quietMs / 10);
  // The first advance, and whatever follows from it, is there.
  await worker.run(AbortSignal.timeout(60_000), () => worker.taskProgress > from);
  const [at, before] = [clock.now, await countRecords(broker)];
  await worker.run(AbortSignal.timeout(60_000), () => clock.now > at + 5 * quietMs);
  const perSecond = ((await countRecords(broker)) - before) / ((clock.now - at) / 1000);

  assert.ok(perSecond > 0, "progress is written now and then");
  assert.ok(perSecond < 1, `${perSecond} records and markers a second`);
  assert.ok(clock.now - worker.taskProgress < 2 * quietMs);
  await worker.close();
  await broker.close();
});

test("what is due is done within a look or two, and then nothing is written", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  const logs = makeLogs(7, 60, 2);
  await produceAir(broker, registry, logs);
  const last = endOf(logs);
  const { worker, clock } = await startLive(broker, last, quietMs / 4);
  const due = last + 4 * hour;
  // All windows have passed by then.
  while (clock.now < due) {
    const mark = clock.now;
    await worker.run(AbortSignal.timeout(60_000), () => clock.now > mark + quietMs);
    for (const task of worker.tasks) {
      if (task instanceof SourceTask) continue;
      assert.ok(task.need > clock.now - 0.75 * quietMs, task.subtopology.name);
    }
  }
  clock.stepMs = 1;
  const rest = clock.now + 20;
  await worker.run(AbortSignal.timeout(60_000), () => clock.now > rest);
  const [at, before] = [clock.now, clock.commits];
  await worker.run(AbortSignal.timeout(60_000), () => clock.now > at + 40);
  assert.equal(clock.commits, before);
  await worker.close();
  await broker.close();
});

test("of the advances at one position of a source compaction keeps the last", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  const from = Date.UTC(2001, 0, 1);
  const { worker, clock } = await startLive(broker, from, quietMs / 2);
  await worker.run(AbortSignal.timeout(60_000), () => clock.now > from + 20 * quietMs);
  await worker.close();
  const keys: string[] = [];
  await readCommitted(broker, "air.decisions", 0, ({ buffer, keyStart, keyEnd }) => {
    keys.push(buffer.toString("utf8", keyStart, keyEnd));
  });
  const partitions = air.subtopologies
    .filter(({ operator }) => operator.kind === "source")
    .reduce((sum, each) => sum + each.partitions, 0);
  assert.equal(new Set(keys).size, partitions, "one key a source partition while nothing comes");
  assert.ok(keys.length > 3 * partitions);
  assert.equal(
    air.topics.find(({ role }) => role === "decisions")?.config["cleanup.policy"],
    "compact",
  );
  await broker.close();
});

test("processes of a group advance their sources for what the others' tasks wait for", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  const logs = makeLogs(8, 60, 2);
  await produceAir(broker, registry, logs);
  const last = endOf(logs);
  const due = last + 4 * hour;
  const members: Awaited<ReturnType<typeof startLive>>[] = [];
  const ended = async () => members.length > 1 && members.every(({ clock }) => clock.now > due);
  const runs: Promise<void>[] = [];
  // The second one joins while the first one runs: else it would wait for its answer.
  for (const id of ["0", "1"]) {
    const member = await startLive(broker, last, quietMs / 8, id);
    members.push(member);
    runs.push(member.worker.run(AbortSignal.timeout(60_000), ended));
  }
  await Promise.all(runs);
  for (const { worker, clock } of members) {
    assert.ok(worker.tasks.length > 0);
    for (const task of worker.tasks) {
      if (task instanceof SourceTask) continue;
      assert.ok(task.need > clock.now - quietMs, task.subtopology.name);
    }
  }
  await Promise.all(members.map(({ worker }) => worker.close()));
  await broker.close();
});
