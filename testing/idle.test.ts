/** Live mode by a clock that each look at the sources moves: what a topology writes when idle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { countCommitted, readCommitted } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { quietMsOf } from "../runtime/engine/live/idle-advance.ts";
import { SourceTask } from "../runtime/engine/source-task.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { type Plan, readsSource } from "../schemas/plan.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { air, makeLogs, makeSent, wideAir } from "./schedule-fixture.ts";
import type { LogEntry } from "./sequential-oracle.ts";
import { withMethods } from "./with-methods-fixture.ts";

const minute = 60_000;
const hour = 60 * minute;
const registry = createMemoryRegistry();

/** Records and markers in all topics of a plan. */
async function countRecords(broker: Broker, plan: Plan): Promise<number> {
  const places = plan.topics.flatMap(({ name: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" as const })));
  return ends.reduce((sum, end) => sum + end, 0);
}

async function countAll(broker: Broker, topic: string): Promise<number> {
  let count = 0;
  for (let partition = 0; partition < 4; partition++) {
    count += await countCommitted(broker, topic, partition);
  }
  return count;
}

/** Sends a departure, and nothing beside it. */
async function produceAlone(
  broker: Broker,
  record: Readonly<Record<string, unknown>> & { readonly flightId: number },
): Promise<void> {
  const logs = ["air.departures", "air.arrivals"].map((topic): [string, LogEntry[][]] => {
    return [topic, [0, 1, 2, 3].map(() => [{ before: 0 }])];
  });
  logs[0]?.[1][partitionOf(String(record.flightId), 4)]?.push({ record });
  await produceAir(broker, registry, new Map(logs));
}

async function startLive(
  broker: Broker,
  from: number,
  stepMs: number,
  { plan = air, instanceId = "0" }: { plan?: Plan; instanceId?: string } = {},
) {
  const sources = new Set(plan.sources.map(({ topic }) => topic));
  const clock = { now: from, stepMs, commits: 0 };
  const world = withMethods<Broker>(broker, {
    listOffsets: async (places) => {
      const isLook = places.every(({ topic, at }) => at === "latest" && sources.has(topic));
      if (isLook) clock.now += clock.stepMs;
      return await broker.listOffsets(places);
    },
  });
  const worker = await Worker.start({
    plan,
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

const quietMs = quietMsOf(air, 1);

/** What a plan writes a second of its clock while nothing comes, over some advances. */
async function idleRate(plan: Plan, workers: number): Promise<number> {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const from = Date.UTC(2001, 0, 1);
  const distance = quietMsOf(plan, workers);
  const members: Awaited<ReturnType<typeof startLive>>[] = [];
  const stop = new AbortController();
  const runs: Promise<void>[] = [];
  for (let n = 0; n < workers; n++) {
    const options = { plan, instanceId: String(n) };
    const member = await startLive(broker, from, Math.ceil(distance / 10 / workers), options);
    members.push(member);
    runs.push(member.worker.run(stop.signal));
  }
  const [first] = members;
  assert.ok(first !== undefined);
  // All have the time of the first one, which its looks move on.
  for (const { clock } of members.slice(1)) {
    Object.defineProperty(clock, "now", {
      get: () => first.clock.now,
      set: (now: number) => {
        first.clock.now = now;
      },
    });
  }
  const reached = async (time: number) => {
    const all = () => Math.min(...members.map(({ worker }) => worker.taskProgress));
    while (all() < time) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  // The first advance, and whatever follows from it, is there.
  await reached(from + distance);
  const [at, before] = [first.clock.now, await countRecords(broker, plan)];
  await reached(at + 4 * distance);
  const records = (await countRecords(broker, plan)) - before;
  const seconds = (first.clock.now - at) / 1000;
  assert.ok(records > 0, "progress is written now and then");
  stop.abort();
  await Promise.all(runs);
  await Promise.all(members.map(({ worker }) => worker.close()));
  await broker.close();
  return records / seconds;
}

for (const [partitions, workers] of [
  [4, 1],
  [64, 1],
  [16, 3],
] as const) {
  test(`a live topology of ${partitions} partitions, with ${workers} workers, writes less than a record a second without events`, {
    timeout: 300_000,
  }, async (t) => {
    const rate = await idleRate(wideAir(partitions), workers);
    t.diagnostic(
      `${rate} a second, ${quietMsOf(wideAir(partitions), workers) / minute} min behind`,
    );
    assert.ok(rate < 1, `${rate} records and markers a second`);
  });
}

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
    .filter(({ operator }) => readsSource(operator))
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
    const member = await startLive(broker, last, quietMs / 8, { instanceId: id });
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

test("a record that comes alone is answered by the commit that holds it", {
  timeout: 60_000,
}, async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  // Long enough for a commit to begin that does not wait for it.
  const away = withMethods<Broker>(broker, {
    listOffsets: async (places) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return await broker.listOffsets(places);
    },
  });
  let commits = 0;
  const worker = await Worker.start({
    ...{ plan: air, broker: away, registry, instanceId: "0" },
    mode: { kind: "live", now: Date.now, maxWaitMs: minute },
    execute: async (_, work) => executeAir(work),
    onCommit: () => {
      commits++;
    },
  });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  const [first] = makeSent(7, 1, 1);
  assert.ok(first !== undefined);
  const records = 10;
  for (let flightId = 0; flightId <= records; flightId++) {
    // The first finds out what the topology is: it may take some more.
    if (flightId === 1) commits = 0;
    await produceAlone(broker, { ...first.record, flightId, departedAt: Date.now() });
    const predicted = () => countAll(broker, "air.predictions");
    while ((await predicted()) <= flightId) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // A machine that stands still for longer than a commit waits makes two of one.
  assert.ok(commits < 1.5 * records, `${commits} commits for ${records} records`);
  stop.abort();
  await running;
  await worker.close();
  await broker.close();
});

test("a look that is not answered holds up no commit", { timeout: 30_000 }, async (t) => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  let [isAway, hangs] = [false, false];
  const away = withMethods<Broker>(broker, {
    listOffsets: (places) => {
      const isLook = ["air.departures", "air.arrivals"].every((name) =>
        places.some(({ topic, at }) => topic === name && at === "latest"),
      );
      if (!isAway || !isLook) return broker.listOffsets(places);
      hangs = true;
      return new Promise(() => {});
    },
  });
  let committed = () => {};
  const came = new Promise<void>((resolve) => {
    committed = resolve;
  });
  const worker = await Worker.start({
    // Beyond the end of this test: nothing but the limit of the waiting tells.
    ...{ plan: air, broker: away, registry, instanceId: "0", idleWaitMs: 600_000 },
    mode: { kind: "live", now: Date.now, maxWaitMs: minute },
    execute: async (_, work) => executeAir(work),
    onCommit: () => {
      if (hangs) committed();
    },
  });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await running;
    await worker.close();
    await broker.close();
  });
  const [first] = makeSent(7, 1, 1);
  assert.ok(first !== undefined);
  const record = { ...first.record, flightId: 0, departedAt: Date.now() };
  await produceAlone(broker, record);
  const predicted = () => countAll(broker, "air.predictions");
  while ((await predicted()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  isAway = true;
  await produceAlone(broker, { ...record, flightId: 1, departedAt: Date.now() });
  await came;
});

test("while nothing comes a process asks its broker seldom", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(air.topics);
  const idleWaitMs = 400;
  const asked = { fetches: 0, looks: 0 };
  const counting = withMethods<Broker>(broker, {
    fetch: async (request) => {
      asked.fetches++;
      return await broker.fetch(request);
    },
    listOffsets: async (places) => {
      asked.looks++;
      return await broker.listOffsets(places);
    },
  });
  const worker = await Worker.start({
    ...{ plan: air, broker: counting, registry, instanceId: "0", idleWaitMs },
    mode: { kind: "live", now: Date.now, maxWaitMs: minute },
    execute: async (_, work) => executeAir(work),
  });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  const [began, before] = [performance.now(), { ...asked }];
  while (asked.looks - before.looks < 5) await new Promise((resolve) => setTimeout(resolve, 5));
  const waits = (performance.now() - began) / idleWaitMs + 2;
  // Inboxes and the rest may be asked for apart.
  assert.ok(asked.looks - before.looks <= waits, `${asked.looks - before.looks} of ${waits} looks`);
  assert.ok(asked.fetches - before.fetches <= 2 * waits, `${asked.fetches} fetches`);
  stop.abort();
  await running;
  await worker.close();
  await broker.close();
});
