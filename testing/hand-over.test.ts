import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { countCommitted } from "../broker/committed-records.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { isTrainWork } from "../processors/train/train-work.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { endOf, executeAir, produceAir } from "./air-input-fixture.ts";
import { collectAir, compareAir } from "./air-output-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { sequentialOracle } from "./sequential-oracle.ts";
import { withMethods } from "./with-methods-fixture.ts";

const logs = makeLogs(1, 400, 5);

test("a record passes all tasks of a process in one commit; a training begins on what is committed", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, logs);
  let commits = 0;
  const watching = withMethods<Broker>(broker, {
    producer: async (asked) => {
      const producer = await broker.producer(asked);
      return withMethods(producer, {
        commit: async () => {
          // Long enough for a training to begin that does not wait for it.
          for (let turns = 0; turns < 10; turns++) await nextTurn();
          await producer.commit();
          commits++;
        },
      });
    },
  });
  let trainings = 0;
  const worker = await Worker.start({
    ...{ plan: air, broker: watching, registry, mode: { kind: "replay" }, instanceId: "0" },
    execute: async (_, work) => {
      if (isTrainWork(work)) {
        const requests = await countCommitted(broker, "air.retrain-requests", 0);
        assert.equal(requests, ++trainings, "the request is committed before the training begins");
      }
      return executeAir(work);
    },
    handsOver: true,
    commitIntervalMs: 10_000,
    stepBudget: 2_000,
  });
  const end = endOf(logs);
  const done = async () => worker.finished(end) && (await worker.caughtUp());
  await worker.run(AbortSignal.timeout(60_000), done);
  await worker.close();
  // Each turn of the loop of models takes one; a commit for each hop would be three times as many.
  assert.ok(commits < 40, `${commits} commits`);
  assert.ok(trainings > 2, `${trainings} trainings prove little`);
  const { output } = await collectAir(broker, registry);
  compareAir(output, sequentialOracle(air, logs), "handed over");
  await broker.close();
});

test("a process that writes all of an inbox reads it now and then, and ends at its end", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, logs);
  const inbox = air.subtopologies.find(({ name }) => name === "predictions")?.inbox;
  let asks = 0;
  let commits = 0;
  const counting = withMethods<Broker>(broker, {
    fetch: async (request) => {
      const isAsked = ({
        topic,
        partition,
      }: {
        readonly topic: string;
        readonly partition: number;
      }) => topic === inbox && partition === 0;
      if (request.partitions.some(isAsked)) asks++;
      return await broker.fetch(request);
    },
  });
  const worker = await Worker.start({
    ...{ plan: air, broker: counting, registry, mode: { kind: "replay" }, instanceId: "0" },
    ...{ execute: async (_, work) => executeAir(work), handsOver: true },
    ...{ commitIntervalMs: 0, stepBudget: 5 },
    onCommit: () => {
      commits++;
    },
  });
  const began = performance.now();
  const end = endOf(logs);
  const done = async () => worker.finished(end) && (await worker.caughtUp());
  await worker.run(AbortSignal.timeout(60_000), done);
  await worker.close();
  // Three are for the start: until a fetch has brought what is known already.
  const most = 3 + (performance.now() - began) / 1_000;
  assert.ok(asks <= most, `${asks} fetches, at most ${most}`);
  assert.ok(commits > 2 * most, `${commits} commits prove little`);
  const { output } = await collectAir(broker, registry);
  compareAir(output, sequentialOracle(air, logs), "read now and then");
  await broker.close();
});
