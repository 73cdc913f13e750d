import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../../broker/broker.ts";
import { openEmbeddedBroker } from "../../../broker/embedded/embedded-broker.ts";
import { HandClock, settle } from "../../../broker/embedded/hand-clock-fixture.ts";
import { RecordBatchBuilder } from "../../../broker/record-batch/builder.ts";
import type { ModelChange } from "../../../schemas/model-change.ts";
import { modelRegisterTopic } from "../../../topologies/dsl/compile/topics.ts";
import { flights } from "../../../topologies/flights/flights.ts";
import { ModelTail } from "./model-tail.ts";

const topic = modelRegisterTopic(flights.name);

async function register(clock?: HandClock) {
  const broker = await openEmbeddedBroker({ directory: null, ...(clock && { clock }) });
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

test("while nothing changes one fetch stands at the broker for five seconds, and ends with a change", async () => {
  const clock = new HandClock();
  const { broker, write } = await register(clock);
  const asked: string[] = [];
  const counted = new Proxy<Broker>(broker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        asked.push(String(name));
        return value.apply(target, given);
      };
    },
  });
  const tail = new ModelTail(counted, topic);
  let news = 0;
  tail.follow(() => news++);
  await settle();
  assert.deepEqual(asked, ["listOffsets", "fetch"]);
  await clock.advance(4_999);
  assert.equal(asked.length, 2, "it stands");
  await clock.advance(1);
  assert.deepEqual(asked.slice(2), ["listOffsets", "fetch"]);
  assert.equal(news, 0);
  await write({ id: "a", after: "", model: "late" });
  while (news === 0) await settle();
  assert.deepEqual(idsOf(await tail.changes("late")), ["a"]);
  assert.equal(clock.now(), 1_005_000, "no time has passed");
  await tail.close();
  await broker.close();
});
