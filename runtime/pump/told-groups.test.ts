import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, FetchRequest, OffsetToCommit } from "../../broker/broker.ts";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import {
  numbersPump as pump,
  setUpNumbers as setUp,
  topicName,
  until,
} from "./numbers-pump-fixture.ts";
import { offlineSink } from "./offline-sink.ts";
import { onlineSink } from "./online-sink.ts";
import { numbersEncoder } from "./pump-topic-fixture.ts";
import { SharedFetch } from "./shared-fetch.ts";

const places = [0, 1].map((partition) => ({ topic: topicName, partition }));

/**
 * A broker that keeps what a group is told.
 *
 * @param hold - awaited before each fetch, with whether one has brought records.
 */
function listening(
  broker: Broker,
  told: OffsetToCommit[][],
  hold: (brought: boolean) => Promise<void> = async () => {},
) {
  let brought = false;
  return new Proxy(broker, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      if (name === "commitOffsets") {
        return (...given: Parameters<Broker["commitOffsets"]>) => {
          told.push([...given[1]]);
          return target.commitOffsets(...given);
        };
      }
      if (name !== "fetch") return value.bind(target);
      return async (request: FetchRequest) => {
        await hold(brought);
        const answer = await target.fetch(request);
        brought ||= answer.length > 0;
        return answer;
      };
    },
  });
}

test("a block that is old takes the young ones along: the group is told of all at once", async (t) => {
  const { broker, topic, store, numbers } = await setUp();
  const told: OffsetToCommit[][] = [];
  const maxWaitMs = 200;
  let hasFirst = false;
  let writtenAt = Number.POSITIVE_INFINITY;
  // The second record is fetched once the first one's block is old.
  const heard = listening(broker, told, async (brought) => {
    hasFirst = brought;
    if (brought) await until("an old block", () => performance.now() > writtenAt + maxWaitMs);
  });
  const slow = { maxRows: 1_000, maxWaitMs };
  const running = await pump(heard, offlineSink(store, numbersEncoder), slow);
  t.after(async () => {
    await running.stop();
    await broker.close();
  });
  await topic.write(1);
  await until("the first record", () => hasFirst);
  await topic.write(1);
  writtenAt = performance.now();
  await until("both", () => numbers().length === 2);
  const pending = told.filter(([first]) => first?.metadata !== "");
  assert.deepEqual(
    pending.map((each) => each.map(({ partition }) => partition)),
    [[0, 1]],
  );
});

test("an online store has each row at once, and the group hears of them once a second", async (t) => {
  const { broker, topic } = await setUp();
  const online = createMemoryOnlineStore();
  const told: OffsetToCommit[][] = [];
  const heard = listening(broker, told);
  const quick = { maxRows: 1_000, maxWaitMs: 0, shared: new SharedFetch(heard) };
  const running = await pump(heard, onlineSink(online, "numbers@1"), quick);
  t.after(async () => {
    await running.stop();
    await broker.close();
  });
  const began = performance.now();
  for (let number = 0; number < 20; number++) {
    await topic.write(1);
    const asked = { view: "numbers@1", entityKey: String(number), partition: number % 2 };
    await until("its row", async () => (await online.read([asked]))[0]?.row?.asOf === number);
  }
  const most = 2 + (performance.now() - began) / 1_000;
  assert.ok(told.length <= most, `told ${told.length} times, ${most} at most`);
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "stable" as const })));
  await until("the group has heard of all", async () => {
    const known = await broker.committed("pump", places);
    return known.every(({ offset }, index) => offset === ends[index]);
  });
});
