import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedBroker } from "../../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../../broker/record-batch/builder.ts";
import type { ModelChange } from "../../../schemas/model-change.ts";
import { modelRegisterTopic } from "../../../topologies/dsl/compile/topics.ts";
import { flights } from "../../../topologies/flights/flights.ts";
import { ModelTail } from "./model-tail.ts";

const topic = modelRegisterTopic(flights.name);

async function register() {
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(flights.topics.filter(({ name }) => name === topic));
  const producer = await broker.producer({ transactionalId: null });
  const write = async (change: Pick<ModelChange, "id" | "after" | "model">) => {
    const batch = new RecordBatchBuilder();
    const made = { ...change, kind: "promote", version: change.id, champion: true };
    batch.append(Buffer.from(change.model), Buffer.from(JSON.stringify(made)), 1);
    await producer.send([{ topic, partition: 0, batch: batch.build() }]);
  };
  return { broker, write };
}

const idsOf = (changes: readonly ModelChange[]) => changes.map(({ id }) => id);

test("of two changes upon one state the first counts, whoever reads and from where on", async () => {
  const { broker, write } = await register();
  const early = new ModelTail(broker, topic);
  assert.deepEqual(await early.changes("late"), []);
  await write({ id: "a", after: "", model: "late" });
  await write({ id: "x", after: "", model: "other" });
  await write({ id: "b", after: "a", model: "late" });
  const middle = new ModelTail(broker, topic);
  assert.deepEqual(idsOf(await middle.changes("late")), ["a", "b"]);
  // Made upon a, by somebody who had not seen b; then b again, as a producer may repeat it.
  await write({ id: "c", after: "a", model: "late" });
  await write({ id: "b", after: "a", model: "late" });
  await write({ id: "d", after: "b", model: "late" });
  // The timer of a tail holds up no end.
  const alive = setInterval(() => {}, 1_000);
  for (const tail of [early, middle]) {
    await new Promise<void>((resolve) => tail.follow(resolve));
    await tail.close();
  }
  clearInterval(alive);
  for (const tail of [early, middle, new ModelTail(broker, topic)]) {
    assert.deepEqual(idsOf(await tail.changes("late")), ["a", "b", "d"]);
    assert.deepEqual(idsOf(await tail.champions("other")), ["x"]);
  }
  await broker.close();
});
