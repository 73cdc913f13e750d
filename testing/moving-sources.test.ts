import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import type { WorkerOptions } from "../runtime/engine/worker-options.ts";
import { SourceWatch } from "../runtime/hosting/source-watch.ts";
import { readAcceptedGaps } from "../runtime/row-topics/accepted-gaps.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { errorOf, MillraceError } from "../schemas/errors.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { withMethods } from "./with-methods-fixture.ts";

const logs = makeLogs(1, 400, 5);
const [source = ""] = air.sources.map(({ topic }) => topic);
const places = Array.from({ length: air.partitions }, (_, partition) => ({
  topic: source,
  partition,
}));

/** A worker that has read some of its sources and ended, and what the next one starts with. */
async function interrupted() {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, logs);
  const options: WorkerOptions = {
    plan: air,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
    commitIntervalMs: 0,
    stepBudget: 10,
  };
  const stop = new AbortController();
  let commits = 0;
  const first = await Worker.start({
    ...options,
    onCommit: () => {
      if (++commits === 20) stop.abort();
    },
  });
  await first.run(stop.signal);
  await first.close();
  const sourceTopics = air.topics.filter(({ name }) => name === source);
  const ends = () => broker.listOffsets(places.map((each) => ({ ...each, at: "latest" })));
  return { broker, registry, options, sourceTopics, ends };
}

test("records deleted before they were read stop the run by name, and can be done without", async () => {
  const { broker, options, ends } = await interrupted();
  const gone = await ends();
  await broker.deleteRecords(places.map((each, i) => ({ ...each, offset: gone[i] ?? 0 })));
  await assert.rejects(Worker.start(options), { code: "SOURCE_GAP", message: /--accept-gaps/ });
  const accepting = await Worker.start({ ...options, acceptGaps: true });
  await accepting.close();
  const gaps = await readAcceptedGaps(broker, air.name, source, air.partitions);
  assert.deepEqual(
    gaps.map((gap) => gap?.next),
    gone,
  );
  assert.ok(gaps.every((gap) => (gap?.missing ?? 0) > 0));
  // Accepted once, it is passed over by every later start.
  const later = await Worker.start(options);
  const done = async () => later.finished(endOf(logs)) && (await later.caughtUp());
  await later.run(AbortSignal.timeout(30_000), done);
  await later.close();
  await broker.close();
});

test("a source deleted and made again is not read on at the offset of the old one", async () => {
  const { broker, registry, options, sourceTopics } = await interrupted();
  await broker.deleteTopics([source]);
  await broker.createTopics(sourceTopics);
  await produceAir(broker, registry, logs);
  await assert.rejects(Worker.start(options), { code: "SOURCE_RECREATED" });
  const accepting = await Worker.start({ ...options, acceptGaps: true });
  const positions = accepting.tasks.flatMap((task) =>
    task.subtopology.inbox === source && "position" in task ? [task.position] : [],
  );
  assert.deepEqual(
    positions,
    places.map(() => 0),
  );
  await accepting.close();
  await broker.close();
});

/** A broker as it is after partitions were added to the source. */
function grown(broker: Broker): Broker {
  return withMethods<Broker>(broker, {
    describeTopics: async (names) => {
      const found = await broker.describeTopics(names);
      return found.map((topic) =>
        topic.name === source ? { ...topic, partitions: topic.partitions + 1 } : topic,
      );
    },
  });
}

test("partitions that were added and not taken up end a start, and a run, by name", async () => {
  const { broker, options, sourceTopics } = await interrupted();
  const refused = { code: "SOURCE_PARTITIONS", message: /4 were read/ };
  await assert.rejects(Worker.start({ ...options, broker: grown(broker) }), refused);
  let now: Broker = broker;
  const watch = new SourceWatch(
    { describeTopics: (names) => now.describeTopics(names) },
    options.plan,
  );
  await watch.look();
  assert.equal(watch.failure === null, true);
  now = grown(broker);
  await watch.look();
  const { failure } = watch;
  assert.equal(failure?.code, "SOURCE_PARTITIONS");
  assert.deepEqual(watch.unread, [{ topic: source, partition: air.partitions }]);
  watch.stop();
  const second = new SourceWatch(broker, options.plan);
  await second.look();
  await broker.deleteTopics([source]);
  await broker.createTopics(sourceTopics);
  await second.look();
  assert.equal(second.failure?.code, "SOURCE_RECREATED");
  second.stop();
  await broker.close();
});

test("a broker that does not know a source for a moment, or is silent, ends nothing", async () => {
  const { broker, options } = await interrupted();
  let answer: Broker["describeTopics"] = async () => [];
  const waits: (string | null)[] = [];
  const watch = new SourceWatch(
    { describeTopics: (names) => answer(names) },
    options.plan,
    (_, e) => waits.push(e instanceof MillraceError ? e.code : null),
  );
  await watch.look();
  assert.equal(watch.failure, null);
  answer = () => Promise.reject(errorOf("BROKER_UNAVAILABLE", { request: "Metadata" }));
  await watch.look();
  answer = (names) => broker.describeTopics(names);
  await watch.look();
  assert.equal(watch.failure, null);
  assert.deepEqual(waits, ["BROKER_UNAVAILABLE", null]);
  watch.stop();
  await broker.close();
});
