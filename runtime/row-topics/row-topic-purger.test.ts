import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, GroupMember } from "../../broker/broker.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { NumberedTopic, numbersEncoder } from "../pump/pump-topic-fixture.ts";
import { RowTopicPurger } from "./row-topic-purger.ts";
import { readTallies, type Tally, TallyCounter, tallyGroup, tallyText } from "./tally.ts";

const topic = "numbers";
const place = { topic, partition: 0 };
const pumpGroups = ["offline", "online"] as const;
const nothing: Tally = { below: 0, rows: 0, crcSum: 0n };

function startPurger(broker: Broker, limitBytes = 1, more: { instanceId?: string } = {}) {
  const topics = [{ topic, partitions: 1, pumpGroups, encoder: numbersEncoder }];
  return RowTopicPurger.start({ broker, plan: "plan", topics, limitBytes, ...more });
}

async function setUp(transactions: number) {
  const broker = await openEmbeddedBroker({ directory: null });
  const numbers = await NumberedTopic.create(broker, topic, 1);
  for (let i = 0; i < transactions; i++) await numbers.write(10, i % 3 === 1 ? "abort" : "commit");
  const stored = async (group: (typeof pumpGroups)[number], offset: number) =>
    broker.commitOffsets(group, [{ ...place, offset }], null);
  return { broker, numbers, stored };
}

/** Adds the committed records from the tally to `end` to it, reading the topic. */
async function readOn(broker: Broker, from: Tally, end = Number.POSITIVE_INFINITY) {
  const counter = new TallyCounter(numbersEncoder, 0, from);
  const [fetched] = await broker.fetch({
    partitions: [{ ...place, offset: from.below, maxBytes: 1 << 24 }],
    isolation: "read_committed",
    maxWaitMs: 0,
    maxBytes: 1 << 24,
  });
  const reader = new RecordReader();
  if (fetched === undefined) return from;
  reader.open(fetched, "read_committed");
  while (reader.next() && reader.offset < end) counter.add(reader);
  return counter.tally(Math.min(end, reader.nextOffset));
}

async function tallyOf(broker: Broker): Promise<Tally> {
  return (await readTallies(broker, "plan", topic, 1))[0] ?? nothing;
}

async function startOf(broker: Broker): Promise<number> {
  return (await broker.listOffsets([{ ...place, at: "earliest" }]))[0] ?? 0;
}

test("nothing is purged that a pump has not stored, and nothing before every pump began", async () => {
  const { broker, stored } = await setUp(30);
  const expected = await readOn(broker, nothing, 47);
  const purger = await startPurger(broker);
  await stored("offline", 120);
  await purger.purge();
  assert.equal(await startOf(broker), 0);
  await stored("online", 47);
  await purger.purge();
  assert.equal(await startOf(broker), 47);
  assert.deepEqual(await tallyOf(broker), expected);
  await purger.stop();
  await broker.close();
});

test("a look that finds nothing to purge asks four times a topic, however many partitions it has", async (t) => {
  const embedded = await openEmbeddedBroker({ directory: null });
  const asked = new Map<string, number>();
  const broker = new Proxy<Broker>(embedded, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return (...given: unknown[]) => {
        asked.set(String(name), (asked.get(String(name)) ?? 0) + 1);
        return value.apply(target, given);
      };
    },
  });
  const partitions = 8;
  const numbers = await NumberedTopic.create(embedded, topic, partitions);
  await numbers.write(80);
  const of = { topic, partitions, pumpGroups, encoder: numbersEncoder };
  const limitBytes = 2 ** 30;
  const purger = await RowTopicPurger.start({ broker, plan: "plan", topics: [of], limitBytes });
  t.after(async () => {
    await purger.stop();
    await embedded.close();
  });
  for (const storedBelow of [0, 5]) {
    const offsets = Array.from({ length: partitions }, (_, partition) => {
      return { topic, partition, offset: storedBelow };
    });
    for (const group of pumpGroups) await embedded.commitOffsets(group, offsets, null);
    // The first look at what is stored takes samples, too.
    await purger.purge();
    asked.clear();
    await purger.purge();
    assert.deepEqual(Object.fromEntries(asked), { committed: 3, listOffsets: 1 });
  }
});

test("a partition is purged only above its limit, and down to three quarters of it", async () => {
  const { broker, stored } = await setUp(300);
  for (const group of pumpGroups) await stored(group, 3000);
  const [all] = await broker.fetch({
    partitions: [{ ...place, offset: 0, maxBytes: 1 << 24 }],
    isolation: "read_uncommitted",
    maxWaitMs: 0,
    maxBytes: 1 << 24,
  });
  const bytes = all?.records.length ?? 0;
  const roomy = await startPurger(broker, 2 * bytes);
  await roomy.purge();
  await roomy.stop();
  assert.equal(await startOf(broker), 0);
  const tight = await startPurger(broker, bytes / 2);
  await tight.purge();
  await tight.stop();
  const [end = 0] = await broker.listOffsets([{ ...place, at: "latest" }]);
  const left = 1 - (await startOf(broker)) / end;
  assert.ok(left > 0.3 && left < 0.45, `${left} of it is left`);
  await broker.close();
});

/** A broker that goes silent for ever before or after the nth call of a method. */
function dying(broker: Broker, method: "commitOffsets" | "deleteRecords", when: string) {
  let die: () => void = () => {};
  const died = new Promise<void>((resolve) => {
    die = resolve;
  });
  const forEver = () => {
    die();
    return new Promise<never>(() => {});
  };
  const dead = new Proxy(broker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== method) return value.bind(target);
      return async (...given: unknown[]) => {
        if (when === "before") return forEver();
        await value.apply(target, given);
        return forEver();
      };
    },
  });
  return { dead, died };
}

for (const method of ["commitOffsets", "deleteRecords"] as const) {
  for (const when of ["before", "after"] as const) {
    test(`killed ${when} ${method}, tally and topic hold each row once`, async () => {
      const { broker, numbers, stored } = await setUp(30);
      const whole = await readOn(broker, nothing);
      for (const group of pumpGroups) await stored(group, 150);
      const { dead, died } = dying(broker, method, when);
      const killed = await startPurger(dead, 1, { instanceId: "0" });
      void killed.purge();
      await died;
      assert.deepEqual(await readOn(broker, await tallyOf(broker)), whole);
      const again = await startPurger(broker, 1, { instanceId: "0" });
      await again.purge();
      const tally = await tallyOf(broker);
      assert.deepEqual([tally.below, await startOf(broker)], [150, 150]);
      const total = await readOn(broker, tally);
      assert.deepEqual(total, whole);
      assert.equal(total.rows, numbers.committed.length);
      await again.stop();
      await broker.close();
    });
  }
}

test("of several purgers one works, and one that lost its place commits nothing", async () => {
  const { broker, stored } = await setUp(60);
  const whole = await readOn(broker, nothing);
  let resume: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    resume = resolve;
  });
  let reached: () => void = () => {};
  const atCommit = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const slow = new Proxy(broker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "commitOffsets") return value.bind(target);
      return async (...given: unknown[]) => {
        reached();
        await held;
        return value.apply(target, given);
      };
    },
  });
  for (const group of pumpGroups) await stored(group, 100);
  const first = await startPurger(slow, 1, { instanceId: "0" });
  const slowly = first.purge();
  await atCommit;
  for (const group of pumpGroups) await stored(group, 200);
  // The same place taken by a restart: the first one's tally of 100 must not replace its 200.
  const second = await startPurger(broker, 1, { instanceId: "0" });
  await second.purge();
  resume();
  await slowly;
  const tally = await tallyOf(broker);
  assert.deepEqual([tally.below, await startOf(broker)], [200, 200]);
  assert.deepEqual(await readOn(broker, tally), whole);
  await first.stop();
  await second.stop();
  await broker.close();
});

test("a purger that could not join its group again tries once more at its next look", async () => {
  const { broker, stored } = await setUp(30);
  let lose: () => void = () => {};
  let refusals = 1;
  const flaky = new Proxy(broker, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "join") return value.bind(target);
      return async (...given: Parameters<Broker["join"]>): Promise<GroupMember> => {
        const member = await target.join(...given);
        let joined = true;
        return {
          get identity() {
            return member.identity;
          },
          get assignment() {
            return joined ? member.assignment : Buffer.alloc(0);
          },
          onLost: (listener) => {
            lose = listener;
          },
          rejoin: async () => {
            joined = refusals-- <= 0;
            if (!joined) throw new MillraceError("BROKER_CLOSED", { request: "JoinGroup" });
            await member.rejoin();
          },
          leave: () => member.leave(),
        };
      };
    },
  });
  for (const group of pumpGroups) await stored(group, 100);
  const purger = await startPurger(flaky);
  lose();
  await purger.purge();
  await purger.purge();
  assert.equal(await startOf(broker), 100);
  await purger.stop();
  await broker.close();
});

test("a tally is far below the limit of offset metadata, and its sum wraps as SQL's does", async () => {
  const most = { below: 2 ** 53, rows: 2 ** 53, crcSum: (1n << 64n) - 1n };
  assert.ok(tallyText(most).length < 100);
  const { broker } = await setUp(1);
  const offsets = [{ ...place, offset: 5, metadata: tallyText({ ...most, below: 5, rows: 7 }) }];
  await broker.commitOffsets(tallyGroup("plan"), offsets, null);
  const tally = await tallyOf(broker);
  assert.deepEqual(tally, { below: 5, rows: 7, crcSum: (1n << 64n) - 1n });
  const { crcSum } = await readOn(broker, tally);
  assert.ok(crcSum < 1n << 40n, `${crcSum}`);
  await broker.close();
});
