import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../broker/broker.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { likeStore, numbersPump as pump, setUpNumbers as setUp } from "./numbers-pump-fixture.ts";
import { offlineSink } from "./offline-sink.ts";
import { numbersEncoder } from "./pump-topic-fixture.ts";

/** Named points of a block: the process dies before or after each of its three steps. */
const points = [
  "before pending",
  "after pending",
  "before insert",
  "after insert",
  "before commit",
  "after commit",
] as const;
type Point = (typeof points)[number];

/** A broker and a store that go silent for ever at the nth passing of a point. */
function dying(broker: Broker, store: OfflineStore, point: Point, nth: number) {
  let passed = 0;
  let die: () => void = () => {};
  const died = new Promise<void>((resolve) => {
    die = resolve;
  });
  const at = async (here: Point): Promise<void> => {
    if (here === point) passed += 1;
    if (passed < nth) return;
    die();
    await new Promise<never>(() => {});
  };
  const deadBroker = new Proxy(broker, {
    get(target, name) {
      if (name === "commitOffsets") {
        return async (...given: Parameters<Broker["commitOffsets"]>) => {
          const step = given[1].some(({ metadata }) => metadata) ? "pending" : "commit";
          await at(`before ${step}`);
          await target.commitOffsets(...given);
          await at(`after ${step}`);
        };
      }
      const value = Reflect.get(target, name) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const deadStore: OfflineStore = Object.assign(likeStore(store), {
    insert: async (...given: Parameters<OfflineStore["insert"]>) => {
      await at("before insert");
      await store.insert(...given);
      await at("after insert");
    },
  });
  return { broker: deadBroker, store: deadStore, died };
}

for (const point of points) {
  test(`rows are stored once though the pump dies ${point}`, async () => {
    for (const nth of [1, 2, 3]) {
      const { broker, topic, store, numbers } = await setUp();
      await topic.write(40);
      const dead = dying(broker, store, point, nth);
      await pump(dead.broker, offlineSink(dead.store, numbersEncoder));
      await dead.died;
      broker.crash();
      const next = await pump(broker, offlineSink(store, numbersEncoder), { maxRows: 11 });
      await next.drain();
      assert.deepEqual(numbers(), topic.committed, `${point} ${nth}`);
      await next.stop();
      await broker.close();
    }
  });
}
