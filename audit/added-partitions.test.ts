import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, TopicPartition } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { createMemoryOfflineStore } from "../sinks/memory/memory.ts";
import { endOf, executeAir, produceAir } from "../testing/air-input-fixture.ts";
import { air, makeLogs } from "../testing/schedule-fixture.ts";
import { withMethods } from "../testing/with-methods-fixture.ts";
import { verifyRun } from "./verify-run.ts";

const logs = makeLogs(1, 400, 5);
const [source = ""] = air.sources.map(({ topic }) => topic);
const added = air.partitions;

/** A broker as it is after a partition was added to the source, with the records of the first. */
function grown(broker: Broker): Broker {
  const first = <T extends TopicPartition>(each: T): T =>
    each.topic === source && each.partition === added ? { ...each, partition: 0 } : each;
  return withMethods<Broker>(broker, {
    describeTopics: async (names) => {
      const found = await broker.describeTopics(names);
      return found.map((topic) =>
        topic.name === source ? { ...topic, partitions: topic.partitions + 1 } : topic,
      );
    },
    listOffsets: (asked) => broker.listOffsets(asked.map(first)),
    fetch: (request) => broker.fetch({ ...request, partitions: request.partitions.map(first) }),
  });
}

test("verify counts what stands in partitions that were added, which nobody reads", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, logs);
  const worker = await Worker.start({
    plan: air,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: async (_, work) => executeAir(work),
  });
  const done = async () => worker.finished(endOf(logs)) && (await worker.caughtUp());
  await worker.run(AbortSignal.timeout(30_000), done);
  await worker.close();
  const plan = { ...air, stored: [] };
  const given = { plan, registry, offline: createMemoryOfflineStore() };
  const before = await verifyRun({ ...given, broker });
  assert.deepEqual(before.problems, []);
  const { problems, sources } = await verifyRun({ ...given, broker: grown(broker) });
  const first = before.sources.find((each) => each.source === source && each.partition === 0);
  assert.ok((first?.records ?? 0) > 10);
  assert.deepEqual(problems, [`${source}/${added}: nobody reads it: ${first?.records} records`]);
  assert.deepEqual(sources, before.sources);
  await broker.close();
});
