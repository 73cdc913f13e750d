import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, FetchRequest, MemberIdentity } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { BlockBudget } from "./block-budget.ts";
import {
  likeStore,
  numbersPump as pump,
  setUpNumbers as setUp,
  topicName,
  until,
} from "./numbers-pump-fixture.ts";
import { offlineSink } from "./offline-sink.ts";
import { onlineSink } from "./online-sink.ts";
import { numbersEncoder } from "./pump-topic-fixture.ts";

const places = [0, 1].map((partition) => ({ topic: topicName, partition }));

test("a pump stores every committed record once, and no aborted one", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const running = await pump(broker, offlineSink(store, numbersEncoder));
  await topic.write(20);
  await topic.write(10, "abort");
  await topic.write(33);
  await running.drain();
  assert.deepEqual(numbers(), topic.committed);
  const ends = await broker.listOffsets(
    [0, 1].map((partition) => ({ topic: topicName, partition, at: "stable" as const })),
  );
  assert.deepEqual([...running.positions].sort(), [...ends.entries()]);
  await running.stop();
  const again = await pump(broker, offlineSink(store, numbersEncoder));
  await topic.write(5);
  await again.drain();
  assert.deepEqual(numbers(), topic.committed);
  await again.stop();
  await broker.close();
});

test("draining waits for what is written and not decided yet: its commit may be under way", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const running = await pump(broker, offlineSink(store, numbersEncoder));
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const writing = topic.write(10, "commit", held);
  const latest = { topic: topicName, partition: 0, at: "latest" as const };
  await until("a record", async () => (await broker.listOffsets([latest]))[0] !== 0);
  let drained = false;
  const draining = running.drain().then(() => {
    drained = true;
  });
  // Answered in a turn of the pump, in which the other one is looked at too.
  await running.waitFor(new Map());
  assert.equal(drained, false);
  release();
  await Promise.all([writing, draining]);
  assert.deepEqual(numbers(), topic.committed);
  await running.stop();
  await broker.close();
});

test("while the store is away a pump waits, says so once, and goes on where it was", async () => {
  const { broker, topic, store, numbers } = await setUp();
  let away = true;
  let attempts = 0;
  const flaky: OfflineStore = Object.assign(likeStore(store), {
    insert: async (...given: Parameters<OfflineStore["insert"]>) => {
      attempts += 1;
      // Every other time the rows arrive and the answer is lost.
      if (!away || attempts % 2 === 0) await store.insert(...given);
      if (away) throw new MillraceError("OFFLINE_UNAVAILABLE", { where: "test", reason: "away" });
    },
  });
  const troubles: (unknown | null)[] = [];
  const onTrouble = (error: unknown | null) => void troubles.push(error);
  const running = await pump(broker, offlineSink(flaky, numbersEncoder), { onTrouble });
  await topic.write(50);
  await until("a third attempt", () => attempts >= 3);
  assert.equal(troubles.length, 1);
  away = false;
  await running.drain();
  assert.equal(troubles.length, 2);
  assert.equal(troubles[1], null);
  assert.deepEqual(numbers(), topic.committed);
  away = true;
  await topic.write(5);
  await until("a third trouble", () => troubles.length >= 3);
  await running.stop();
  await broker.close();
});

test("a store that takes a write and says nothing is told, and told again once it has answered", async () => {
  const { broker, topic, store, numbers } = await setUp();
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const silent: OfflineStore = Object.assign(likeStore(store), {
    insert: async (...given: Parameters<OfflineStore["insert"]>) => {
      await held;
      await store.insert(...given);
    },
  });
  const troubles: (unknown | null)[] = [];
  const running = await pump(broker, offlineSink(silent, numbersEncoder), {
    onTrouble: (error) => {
      troubles.push(error);
      if (error !== null) release();
    },
    silentMs: 20,
  });
  await topic.write(20);
  await running.drain();
  const codes = troubles.map((each) => (each as MillraceError | null)?.code ?? null);
  assert.deepEqual(codes.slice(0, 2), ["PUMP_SILENT", null]);
  assert.deepEqual(numbers(), topic.committed);
  await running.stop();
  await broker.close();
});

test("what waiting does not mend ends a pump, with a code even where nobody has foreseen it", async () => {
  const refused = new MillraceError("OFFLINE_QUERY_FAILED", { code: "60", reason: "no table" });
  const cases = [
    { thrown: refused, code: "OFFLINE_QUERY_FAILED" },
    { thrown: new TypeError("a defect"), code: "PUMP_FAILED" },
  ];
  for (const { thrown, code } of cases) {
    const { broker, topic, store } = await setUp();
    const broken: OfflineStore = Object.assign(likeStore(store), {
      insert: () => Promise.reject(thrown),
    });
    const troubles: unknown[] = [];
    const running = await pump(broker, offlineSink(broken, numbersEncoder), {
      onTrouble: (error) => void troubles.push(error),
    });
    await topic.write(20);
    await assert.rejects(running.drain(), { code });
    assert.equal((running.failure as MillraceError).code, code);
    assert.deepEqual(troubles, [running.failure]);
    await running.stop();
    await broker.close();
  }
});

test("a pump stops though its store hangs, and the next one stores what was in hand once", {
  timeout: 20_000,
}, async () => {
  const { broker, topic, store, numbers } = await setUp();
  let isAsked = () => {};
  const asked = new Promise<void>((resolve) => {
    isAsked = resolve;
  });
  const hanging: OfflineStore = Object.assign(likeStore(store), {
    insert: () => {
      isAsked();
      return new Promise<never>(() => {});
    },
  });
  const hung = await pump(broker, offlineSink(hanging, numbersEncoder), { stopWithinMs: 20 });
  await topic.write(20);
  await asked;
  await hung.stop();
  broker.crash();
  const next = await pump(broker, offlineSink(store, numbersEncoder));
  await next.drain();
  assert.deepEqual(numbers(), topic.committed);
  await next.stop();
  await broker.close();
});

test("once the blocks of a process have spent their budget, they are written however young", {
  timeout: 20_000,
}, async () => {
  const { broker, topic, store, numbers } = await setUp();
  let away = false;
  const flaky: OfflineStore = Object.assign(likeStore(store), {
    insert: async (...given: Parameters<OfflineStore["insert"]>) => {
      if (away) throw new MillraceError("OFFLINE_UNAVAILABLE", { where: "test", reason: "away" });
      await store.insert(...given);
    },
  });
  const budget = new BlockBudget(600);
  const troubles: (unknown | null)[] = [];
  const running = await pump(broker, offlineSink(flaky, numbersEncoder), {
    maxRows: 1_000_000,
    maxWaitMs: 1_000_000,
    budget,
    onTrouble: (error) => void troubles.push(error),
  });
  await topic.write(5);
  await until("bytes of a block", () => budget.bytes > 0);
  assert.ok(!budget.isSpent);
  assert.deepEqual(numbers(), []);
  await topic.write(20);
  await until("all rows", () => numbers().length >= topic.committed.length);
  await until("blocks without bytes", () => budget.bytes === 0);
  away = true;
  await topic.write(100);
  await until("a trouble", () => troubles.length > 0);
  assert.ok(budget.isSpent);
  await running.stop();
  assert.equal(budget.bytes, 0);
  await broker.close();
});

test("two pumps of a group share the partitions, and store each record once", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const sink = () => offlineSink(store, numbersEncoder);
  const first = await pump(broker, sink());
  await topic.write(30);
  const second = await pump(broker, sink());
  await topic.write(30);
  await Promise.all([first.drain(), second.drain()]);
  assert.deepEqual(numbers(), topic.committed);
  await first.stop();
  await topic.write(30);
  await second.drain();
  assert.deepEqual(numbers(), topic.committed);
  await second.stop();
  await broker.close();
});

test("whoever waits for offsets is answered once they are stored, and refused by a stop", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const slow = { maxRows: 1_000, maxWaitMs: 3_600_000 };
  const running = await pump(broker, offlineSink(store, numbersEncoder), slow);
  await topic.write(10);
  await running.waitFor(new Map([[0, 3]]));
  assert.ok((running.positions.get(0) ?? 0) >= 3);
  assert.ok(numbers().length >= 3);
  const never = running.waitFor(new Map([[0, 1_000]]));
  const refused = assert.rejects(never, /stopped/);
  await running.stop();
  await refused;
  await broker.close();
});

test("a record that cannot be read ends the pump with its position, and nothing is skipped", async () => {
  const { broker, topic, store } = await setUp();
  const encoder = {
    ...numbersEncoder,
    append: (...given: Parameters<typeof numbersEncoder.append>) => {
      if (given[0].offset === 4) throw new RangeError("of no layout");
      return numbersEncoder.append(...given);
    },
  };
  const running = await pump(broker, offlineSink(store, encoder), { maxRows: 1_000 });
  await topic.write(20);
  await assert.rejects(running.drain(), {
    code: "PUMP_RECORD",
    message: /numbers\/[01], offset 4: of no layout/,
  });
  assert.ok(running.failure instanceof MillraceError);
  await running.stop();
  await broker.close();
});

test("while schemas cannot be looked up a pump waits, and then goes on", async () => {
  const { broker, topic, store, numbers } = await setUp();
  let refusals = 2;
  const encoder = {
    ...numbersEncoder,
    append: (...given: Parameters<typeof numbersEncoder.append>) => {
      return refusals >= 0 ? { needSchema: 7 } : numbersEncoder.append(...given);
    },
    resolve: async () => {
      if (refusals-- <= 0) return;
      const context = { url: "http://registry", request: "schema 7", reason: "away" };
      throw new MillraceError("REGISTRY_UNAVAILABLE", context);
    },
  };
  const troubles: (unknown | null)[] = [];
  const onTrouble = (error: unknown | null) => void troubles.push(error);
  const running = await pump(broker, offlineSink(store, encoder), { onTrouble });
  await topic.write(20);
  await running.drain();
  assert.deepEqual(numbers(), topic.committed);
  assert.deepEqual([troubles.length, troubles[1]], [2, null]);
  await running.stop();
  await broker.close();
});

test("a pump whose records another one stored and purged while it hung goes on behind them", async () => {
  const { broker, topic, store, numbers } = await setUp();
  const held = { fetches: false, release: () => {} };
  let owner: MemberIdentity | null = null;
  let isHeld = () => {};
  const hanging = new Promise<void>((resolve) => {
    isHeld = resolve;
  });
  const frozen = new Proxy(broker, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      if (name === "commitOffsets") {
        return (...given: Parameters<Broker["commitOffsets"]>) => {
          owner = given[2];
          return target.commitOffsets(...given);
        };
      }
      if (name !== "fetch") return value.bind(target);
      return async (request: FetchRequest) => {
        if (held.fetches) {
          await new Promise<void>((resolve) => {
            held.release = resolve;
            isHeld();
          });
        }
        return target.fetch(request);
      };
    },
  });
  const slow = await pump(frozen, offlineSink(store, numbersEncoder));
  await topic.write(10);
  await slow.drain();
  held.fetches = true;
  await hanging;
  await topic.write(20);
  // What a pump would do that has its partitions now: as itself, so that nothing tells it.
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" })));
  const offsets = places.map((each, index) => ({ ...each, offset: ends[index] ?? 0 }));
  const other = offlineSink(store, numbersEncoder);
  const [{ id: topicId = "" } = {}] = await broker.describeTopics([topicName]);
  const stored = await other.positions(topicId, [0, 1]);
  const fetched = await broker.fetch({
    partitions: stored.map(({ next }, partition) => {
      return { topic: topicName, partition, offset: next ?? 0, maxBytes: 1 << 20 };
    }),
    isolation: "read_committed",
    maxWaitMs: 0,
    maxBytes: 1 << 20,
  });
  for (const each of fetched) {
    const reader = new RecordReader();
    const block = other.open(each.partition);
    reader.open(each, "read_committed");
    while (reader.next()) void block.add(reader);
    const { partition, offset: first } = each;
    await other.write(block, { topicId, partition, first, next: reader.nextOffset });
  }
  await broker.commitOffsets("pump", offsets, owner);
  await broker.deleteRecords(offsets);
  held.fetches = false;
  held.release();
  await topic.write(10);
  await slow.drain();
  assert.deepEqual(numbers(), topic.committed);
  await slow.stop();
  await broker.close();
});

test("the online store gets the last row of each key and the partition's progress", async () => {
  const { broker, topic } = await setUp();
  const online = createMemoryOnlineStore();
  const running = await pump(broker, onlineSink(online, "numbers@1"));
  await topic.write(20);
  await running.drain();
  const read = await online.read([{ view: "numbers@1", entityKey: "7", partition: 1 }]);
  assert.equal(read[0]?.row?.asOf, 7);
  await running.stop();
  await broker.close();
});
