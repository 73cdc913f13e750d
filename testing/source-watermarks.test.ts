import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../broker/broker.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { catchUpAll } from "../runtime/engine/source-watermarks.ts";
import { TaskFactory } from "../runtime/engine/task-factory.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { produceAir } from "./air-input-fixture.ts";
import { air, makeLogs } from "./schedule-fixture.ts";
import { withMethods } from "./with-methods-fixture.ts";

test("the watermarks of all sources are one question, and each is read to its end", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await broker.createTopics(air.topics);
  await produceAir(broker, registry, makeLogs(1, 100, 5));
  let questions = 0;
  const counting = withMethods<Broker>(broker, {
    listOffsets: async (places) => {
      questions++;
      return await broker.listOffsets(places);
    },
  });
  const factory = await TaskFactory.create(air, counting, registry, { kind: "replay" }, {});
  const watermarks = [...factory.watermarks.values()];
  questions = 0;
  await catchUpAll(counting, watermarks);
  assert.equal(questions, 1);
  assert.equal(watermarks.length, 2);
  for (const each of watermarks) {
    const [end] = await broker.listOffsets([
      { topic: each.position.topic, partition: 0, at: "latest" },
    ]);
    assert.equal(each.position.offset, end);
    assert.ok(each.at(0, Number.POSITIVE_INFINITY, 0).before > 0, each.position.topic);
  }
  await broker.close();
});
