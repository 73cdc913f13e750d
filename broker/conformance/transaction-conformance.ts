import assert from "node:assert/strict";
import type { Producer } from "../broker.ts";
import { batchOf, type Rule, until, zeroKeyBatchOf } from "./world-conformance.ts";

/** Rules of transactions, and of producers that fence each other. */
export function transactionRules(rule: Rule): void {
  rule("what is committed is visible, what is aborted never", async (world) => {
    const topic = await world.topic(2);
    const producer = await world.producer();
    await world.committed(producer, topic, "a", "b");
    producer.begin();
    await producer.send([
      { topic, partition: 0, batch: batchOf("hidden") },
      { topic, partition: 1, batch: batchOf("hidden") },
    ]);
    await producer.abort();
    await world.committed(producer, topic, "c");
    assert.deepEqual(await world.values(topic), ["a", "b", "c"]);
    assert.deepEqual(await world.values(topic, 1), []);
    const all = await world.values(topic, 0, 0, "read_uncommitted");
    assert.deepEqual(all, ["a", "b", "hidden", "c"]);
  });

  rule("an open transaction holds the stable offset back until it ends", async (world) => {
    const topic = await world.topic();
    const [open, other] = [await world.producer("open"), await world.producer(null)];
    await other.send([{ topic, partition: 0, batch: batchOf("before") }]);
    open.begin();
    await open.send([{ topic, partition: 0, batch: batchOf("one") }]);
    await other.send([{ topic, partition: 0, batch: batchOf("behind") }]);
    assert.deepEqual(
      [await world.offset(topic, "stable"), await world.offset(topic, "latest")],
      [1, 3],
    );
    assert.deepEqual(await world.values(topic), ["before"]);
    const fetched = await world.fetch(topic, 0, 0);
    assert.deepEqual([fetched?.lastStableOffset, fetched?.highWatermark], [1, 3]);
    await open.commit();
    await until(async () => (await world.offset(topic, "stable")) === 4);
    assert.deepEqual(await world.values(topic), ["before", "one", "behind"]);
  });

  rule(
    "transactions that were aborted interleaved stay hidden, wherever one begins",
    async (world) => {
      const topic = await world.topic();
      const [one, two, three] = await Promise.all([
        world.producer("one"),
        world.producer("two"),
        world.producer("three"),
      ]);
      const send = (producer: Producer, value: string) =>
        producer.send([{ topic, partition: 0, batch: zeroKeyBatchOf(value) }]);
      for (const producer of [one, two, three]) producer.begin();
      await send(one, "one hidden");
      await send(two, "two hidden");
      await send(three, "three");
      await send(one, "one hidden");
      await two.abort();
      await send(one, "one hidden");
      await send(three, "three");
      await one.abort();
      await three.commit();
      await world.committed(one, topic, "one");
      await world.committed(two, topic, "two");
      await until(async () => (await world.values(topic)).length === 4);
      const all = await world.records(topic);
      assert.deepEqual(
        all.map(({ value }) => value),
        ["three", "three", "one", "two"],
      );
      const end = (await world.offset(topic, "latest")) ?? 0;
      for (let from = 0; from <= end; from++) {
        const expected = all.filter(({ offset }) => offset >= from);
        assert.deepEqual(await world.records(topic, 0, from), expected, `from ${from}`);
      }
    },
  );

  rule("a transaction of several sends over several topics is one", async (world) => {
    const [left, right] = [await world.topic(), await world.topic()];
    const producer = await world.producer();
    producer.begin();
    for (let n = 0; n < 5; n++) {
      await producer.send([
        { topic: left, partition: 0, batch: batchOf(`l${n}`) },
        { topic: right, partition: 0, batch: batchOf(`r${n}`) },
      ]);
    }
    assert.deepEqual([await world.values(left), await world.values(right)], [[], []]);
    await producer.commit();
    await world.settled(left);
    await world.settled(right);
    assert.equal((await world.values(right)).length, 5);
    assert.deepEqual(await world.values(left), ["l0", "l1", "l2", "l3", "l4"]);
  });

  rule("many transactions back to back are all there, in order", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer();
    const expected: string[] = [];
    for (let n = 0; n < 30; n++) {
      producer.begin();
      await producer.send([{ topic, partition: 0, batch: batchOf(`${n}`) }]);
      if (n % 3 === 1) await producer.abort();
      else {
        await producer.commit();
        expected.push(`${n}`);
      }
    }
    await until(async () => (await world.values(topic)).length === expected.length);
    assert.deepEqual(await world.values(topic), expected);
  });

  rule("an empty transaction commits and aborts", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer();
    producer.begin();
    await producer.commit();
    producer.begin();
    await producer.abort();
    producer.begin();
    await producer.send([]);
    await producer.commit();
    await world.committed(producer, topic, "x");
    assert.deepEqual(await world.values(topic), ["x"]);
  });

  rule("steps outside of a transaction are refused", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer();
    const state = { code: "TRANSACTION_STATE" };
    const batch = batchOf("x");
    await assert.rejects(producer.send([{ topic, partition: 0, batch }]), state);
    await assert.rejects(producer.commit(), state);
    producer.begin();
    assert.throws(() => producer.begin(), state);
    await producer.abort();
    const plain = await world.producer(null);
    assert.throws(() => plain.begin(), state);
  });
}

export function fencingRules(rule: Rule): void {
  rule("a newer producer of the same id fences the older one and ends its work", async (world) => {
    const topic = await world.topic();
    const zombie = await world.producer("id");
    zombie.begin();
    await zombie.send([{ topic, partition: 0, batch: batchOf("zombie") }]);
    const owner = await world.producer("id");
    assert.ok(
      owner.producerId !== zombie.producerId || owner.epoch > zombie.epoch,
      "the epoch rises",
    );
    const fenced = { code: "PRODUCER_FENCED" };
    await assert.rejects(zombie.send([{ topic, partition: 0, batch: batchOf("late") }]), fenced);
    await assert.rejects(zombie.commit(), fenced);
    await world.committed(owner, topic, "owner");
    assert.deepEqual(await world.values(topic), ["owner"]);
  });

  rule("a fenced commit has not happened, offsets included", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const zombie = await world.producer("id");
    zombie.begin();
    await zombie.send([{ topic, partition: 0, batch: batchOf("zombie") }]);
    await zombie.sendOffsets(group, [{ topic, partition: 0, offset: 7 }], null);
    await world.producer("id");
    await assert.rejects(zombie.commit(), { code: "PRODUCER_FENCED" });
    assert.deepEqual(await world.values(topic), []);
    assert.deepEqual(await world.broker.committed(group, [{ topic, partition: 0 }]), [
      { topic, partition: 0, offset: null, metadata: "" },
    ]);
  });

  rule("a producer that was closed refuses, and its id can be taken up again", async (world) => {
    const topic = await world.topic();
    const closed = await world.producer("id");
    await world.committed(closed, topic, "a");
    await closed.close();
    await assert.rejects(closed.commit());
    const next = await world.producer("id");
    await world.committed(next, topic, "b");
    assert.deepEqual(await world.values(topic), ["a", "b"]);
  });
}
