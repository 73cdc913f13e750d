import assert from "node:assert/strict";
import { test } from "node:test";
import type { OfflineStore } from "../../sinks/store.ts";
import { BlockAge } from "./block-age.ts";
import { BlockBudget } from "./block-budget.ts";
import { likeStore, numbersPump, setUpNumbers, until } from "./numbers-pump-fixture.ts";
import { offlineSink } from "./offline-sink.ts";
import { numbersEncoder } from "./pump-topic-fixture.ts";

test("a pump writes a tenth of the time, as long as its blocks get no older than five seconds", () => {
  const age = new BlockAge(1_000);
  assert.equal(age.ms, 1_000);
  for (const [tookMs, ms] of [
    [20, 1_000],
    [100, 1_000],
    [250, 2_500],
    [500, 5_000],
    [60_000, 5_000],
    [10, 1_000],
  ] as const) {
    age.wrote(tookMs);
    assert.equal(age.ms, ms, `after ${tookMs} ms`);
  }
});

test("what is older than that by itself, as in a replay, gets no older", () => {
  const age = new BlockAge(5_000);
  age.wrote(60_000);
  assert.equal(age.ms, 5_000);
});

test("what is written at once stays so, however long it takes", () => {
  const age = new BlockAge(0);
  age.wrote(5_000);
  assert.equal(age.ms, 0);
});

test("where writing takes long, blocks wait longer for more rows", async (t) => {
  const { broker, topic, store, numbers } = await setUpNumbers();
  let clock = 0;
  t.mock.method(performance, "now", () => clock);
  const slow: OfflineStore = Object.assign(likeStore(store), {
    insert: async (...given: Parameters<OfflineStore["insert"]>) => {
      await store.insert(...given);
      clock += 300;
    },
  });
  const budget = new BlockBudget(1_000_000);
  const options = { maxRows: 1_000, maxWaitMs: 1_000, budget };
  const running = await numbersPump(broker, offlineSink(slow, numbersEncoder), options);
  t.after(() => running.stop());
  const isTaken = async (what: string) => {
    const before = budget.bytes;
    const stored = numbers().length;
    await topic.write(2);
    await until(what, () => budget.bytes > before || numbers().length > stored);
  };
  await isTaken("the first block");
  clock += 1_000;
  await until("it is stored", () => numbers().length > 0 && budget.bytes === 0);
  const first = numbers().length;
  await isTaken("the second block");
  clock += 2_000;
  // A pump looks at its blocks after each look at the topic: one more than was under way.
  for (const look of ["one", "two", "three"]) await isTaken(`look ${look}`);
  assert.equal(numbers().length, first);
  clock += 4_000;
  await until("all are stored", () => numbers().length === topic.committed.length);
  await broker.close();
});
