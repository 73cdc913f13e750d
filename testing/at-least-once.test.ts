import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, Producer } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { flights } from "../topologies/flights/flights.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { collectAir } from "./air-output-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { sequentialOracle } from "./sequential-oracle.ts";
import { seededRandom } from "./simulator.ts";
import { topologyDriver } from "./topology-driver.ts";
import { withMethods } from "./with-methods-fixture.ts";

test("at-least-once is the same path without transactions, with the same results", async () => {
  const noon = Date.UTC(2001, 0, 1, 12);
  const results: unknown[] = [];
  for (const guarantee of ["exactly-once", "at-least-once"] as const) {
    const driver = topologyDriver({ ...flights, guarantee });
    for (let id = 0; id < 50; id++) {
      driver.input("flights.arrivals").send({
        flightId: 1000 + id,
        arrivedAt: noon + id * 60_000,
        origin: "ORD",
        destination: "JFK",
        delayMinutes: id,
      });
      driver.input("flights.departures").send({
        flightId: id,
        departedAt: noon + id * 60_000 + 1,
        origin: "ORD",
        destination: "JFK",
        distanceMiles: 740,
        localHour: 6,
        localWeekday: 1,
      });
    }
    await driver.advanceTo(noon + 48 * 3_600_000);
    const predictions = await driver.output("flights.predictions").drain();
    const outcomes = await driver.output("flights.outcomes").drain();
    const rows = await driver.offline("origin_delays@1");
    results.push({
      predictions: predictions.map(({ value: { sourceOffset: _, ...value } }) => ({ ...value })),
      outcomes: outcomes.map(({ value }) => ({ ...value })),
      rows: rows.map(({ offset: _, topic_id: __, ...row }) => row),
    });
    await driver.close();
  }
  assert.equal((results[0] as { predictions: unknown[] }).predictions.length, 50);
  // As text: records of another decoder are of another class.
  assert.equal(JSON.stringify(results[1]), JSON.stringify(results[0]));
});

test("a task that died between its changelog and its offset commits the offset when it is back", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  const plan = { ...air, guarantee: "at-least-once" as const };
  await broker.createTopics(plan.topics);
  const logs = makeLogs(5, 60, 1);
  await produceAir(broker, registry, logs);
  const places = plan.subtopologies.flatMap(({ inbox: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  const runToEnd = async () => {
    const worker = await Worker.start({
      plan,
      broker,
      registry,
      mode: { kind: "replay" },
      instanceId: "0",
      execute: async (_, work) => executeAir(work),
    });
    const end = endOf(logs);
    const done = async () => worker.finished(end) && (await worker.caughtUp());
    await worker.run(AbortSignal.timeout(30_000), done);
    await worker.close();
    const committed = await broker.committed(plan.name, places);
    // How far each came; what its tasks wait for stands behind it.
    return committed.map(({ metadata, ...at }) => ({ ...at, progress: metadata?.split(" ")[0] }));
  };
  const committed = await runToEnd();
  const behind = committed.map(({ topic, partition }) => ({ topic, partition, offset: 0 }));
  await broker.commitOffsets(plan.name, behind, null);
  assert.deepEqual(await runToEnd(), committed);
  await broker.close();
});

test("a worker that dies anywhere in its commits leaves every record at least once, and no other", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  const plan = { ...air, guarantee: "at-least-once" as const };
  await broker.createTopics(plan.topics);
  const logs = makeLogs(1, 400, 5);
  await produceAir(broker, registry, logs);
  const random = seededRandom(3);
  const death = new Error("a death");
  let deaths = 0;
  const mayDie = () => {
    if (random() > 0.03) return;
    deaths++;
    throw death;
  };
  const mortal = (producer: Producer) =>
    withMethods(producer, {
      send: async (batches) => {
        mayDie();
        return await producer.send(batches);
      },
    });
  const world = withMethods<Broker>(broker, {
    producer: async (asked) => mortal(await broker.producer(asked)),
    commitOffsets: async (group, offsets, member) => {
      mayDie();
      await broker.commitOffsets(group, offsets, member);
    },
  });
  const end = endOf(logs);
  for (let finished = false; !finished; ) {
    const worker = await Worker.start({
      plan,
      broker: world,
      registry,
      mode: { kind: "replay" },
      instanceId: "0",
      execute: async (_, work) => executeAir(work),
      commitIntervalMs: 0,
      stepBudget: 20,
    });
    const done = async () => worker.finished(end) && (await worker.caughtUp());
    finished = await worker.run(AbortSignal.timeout(60_000), done).then(
      () => true,
      (error) => {
        assert.equal(error, death);
        return false;
      },
    );
    await worker.close();
  }
  assert.ok(deaths > 5, `${deaths} deaths prove little`);
  const { output } = await collectAir(broker, registry);
  const expected = sequentialOracle(air, logs);
  assert.ok(output.rows.length > expected.rows.length, "some rows stand twice");
  for (const part of ["late", "rows", "predictions", "outcomes"] as const) {
    assert.deepEqual([...new Set(output[part])].sort(), [...new Set(expected[part])].sort(), part);
  }
  await broker.close();
});

test("what the clock decided must not be lost alone: live mode refuses to do without transactions", async () => {
  const plan = { ...air, guarantee: "at-least-once" as const };
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const mode = { kind: "live", now: () => 0, maxWaitMs: 1000 } as const;
  const started = Worker.start({
    plan,
    broker,
    registry: createMemoryRegistry(),
    mode,
    instanceId: "w",
    execute: async (_, work) => executeAir(work),
  });
  await assert.rejects(started, { code: "LIVE_AT_LEAST_ONCE" });
  await broker.close();
});
