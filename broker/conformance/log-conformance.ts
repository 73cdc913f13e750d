import assert from "node:assert/strict";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { batchOf, patienceMs, type Rule } from "./world-conformance.ts";

/** Rules of what is written and read. */
export function logRules(rule: Rule): void {
  rule("records come back as they were sent, with offsets that go on", async (world) => {
    const topic = await world.topic(2);
    const producer = await world.producer(null);
    const first = await producer.send([
      { topic, partition: 0, batch: batchOf("a", "b") },
      { topic, partition: 1, batch: batchOf("c") },
    ]);
    const second = await producer.send([
      { topic, partition: 1, batch: batchOf("d") },
      { topic, partition: 0, batch: batchOf("e") },
    ]);
    assert.deepEqual(
      [first, second],
      [
        [0, 0],
        [1, 2],
      ],
    );
    assert.deepEqual(await world.values(topic, 0), ["a", "b", "e"]);
    assert.deepEqual(await world.values(topic, 1), ["c", "d"]);
    assert.deepEqual(await world.values(topic, 0, 1), ["b", "e"]);
  });

  rule("keys, nulls, headers and timestamps of 2001 and 2040 are kept", async (world) => {
    const topic = await world.topic(1, { "message.timestamp.after.max.ms": "9223372036854775807" });
    const producer = await world.producer(null);
    const builder = new RecordBatchBuilder();
    const times = [Date.UTC(2001, 0, 1), Date.UTC(2040, 5, 1)];
    builder.append(Buffer.from("k"), null, times[0] ?? 0, [{ key: "h", value: Buffer.from("v") }]);
    builder.append(null, Buffer.from("v"), times[1] ?? 0, [{ key: "n", value: null }]);
    await producer.send([{ topic, partition: 0, batch: builder.build() }]);
    const fetched = await world.fetch(topic, 0, 0);
    assert.ok(fetched);
    const reader = new RecordReader({ checkCrc: true });
    reader.open(fetched, "read_committed");
    assert.ok(reader.next());
    assert.deepEqual([reader.timestampMs, reader.valueStart], [times[0], -1]);
    assert.deepEqual(reader.headers(), [{ key: "h", value: Buffer.from("v") }]);
    assert.ok(reader.next());
    assert.deepEqual([reader.timestampMs, reader.keyStart], [times[1], -1]);
    assert.deepEqual(reader.headers(), [{ key: "n", value: null }]);
    assert.ok(!reader.next());
  });

  rule(
    "a fetch tells where the log begins, ends and is stable; the end is empty",
    async (world) => {
      const topic = await world.topic(2);
      const producer = await world.producer(null);
      await producer.send([{ topic, partition: 0, batch: batchOf("a", "b", "c") }]);
      const fetched = await world.fetch(topic, 0, 1);
      assert.deepEqual(
        [
          fetched?.offset,
          fetched?.highWatermark,
          fetched?.lastStableOffset,
          fetched?.logStartOffset,
        ],
        [1, 3, 3, 0],
      );
      assert.equal(await world.fetch(topic, 0, 3, "read_committed", 0), undefined);
      assert.equal(await world.fetch(topic, 1, 0, "read_committed", 0), undefined);
    },
  );

  rule("a fetch beyond the log is out of range", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer(null);
    await producer.send([{ topic, partition: 0, batch: batchOf("a") }]);
    await assert.rejects(world.fetch(topic, 0, 2), { code: "OFFSET_OUT_OF_RANGE" });
  });

  rule("deleted records are gone, and the log start says so", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer(null);
    for (const value of ["a", "b", "c", "d"]) {
      await producer.send([{ topic, partition: 0, batch: batchOf(value) }]);
    }
    await world.broker.deleteRecords([{ topic, partition: 0, offset: 2 }]);
    assert.equal(await world.offset(topic, "earliest"), 2);
    assert.deepEqual(await world.values(topic, 0, 2), ["c", "d"]);
    await assert.rejects(world.fetch(topic, 0, 1), (error: { code: string; context: object }) => {
      assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
      assert.deepEqual({ ...error.context }, { topic, partition: 0, offset: 1, logStart: 2 });
      return true;
    });
    await world.broker.deleteRecords([{ topic, partition: 0, offset: 4 }]);
    assert.equal(await world.offset(topic, "earliest"), 4);
    await producer.send([{ topic, partition: 0, batch: batchOf("e") }]);
    assert.deepEqual(await world.values(topic, 0, 4), ["e"]);
  });

  rule("records beyond the end cannot be deleted", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer(null);
    await producer.send([{ topic, partition: 0, batch: batchOf("a") }]);
    const place = { topic, partition: 0, offset: 2 };
    await assert.rejects(
      world.broker.deleteRecords([place]),
      (error: { code: string; context: object }) => {
        assert.equal(error.code, "OFFSET_OUT_OF_RANGE");
        assert.equal((error.context as { logStart?: number }).logStart, 0);
        return true;
      },
    );
    assert.deepEqual(await world.values(topic), ["a"]);
  });

  rule("a batch above the topic's limit is refused and leaves nothing behind", async (world) => {
    const topic = await world.topic(1, { "max.message.bytes": "10000" });
    const producer = await world.producer();
    const large = batchOf("x".repeat(20_000));
    producer.begin();
    await assert.rejects(producer.send([{ topic, partition: 0, batch: large }]), {
      code: "RECORD_TOO_LARGE",
    });
    await producer.abort();
    await world.committed(producer, topic, "small");
    assert.deepEqual(await world.values(topic), ["small"]);
  });

  rule("big batches to many partitions at once all arrive", async (world) => {
    const partitions = 24;
    const topic = await world.topic(partitions);
    const producer = await world.producer();
    const values = Array.from({ length: 900 }, (_, index) => `${index}:${"v".repeat(1000)}`);
    producer.begin();
    const offsets = await producer.send(
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        partition,
        batch: batchOf(...values),
      })),
    );
    await producer.commit();
    assert.deepEqual(offsets, new Array(partitions).fill(0));
    const seen = new Map<number, number>();
    const reader = new RecordReader({ checkCrc: true });
    for (let round = 0; seen.size < partitions && round < 1000; round++) {
      const left = Array.from({ length: partitions }, (_, partition) => partition).filter(
        (partition) => !seen.has(partition),
      );
      const fetched = await world.broker.fetch({
        partitions: left.map((partition) => ({ topic, partition, offset: 0, maxBytes: 1 << 20 })),
        isolation: "read_committed",
        maxWaitMs: 1000,
        maxBytes: 5 << 20,
      });
      assert.ok(fetched.length > 0);
      for (const each of fetched) {
        reader.open(each, "read_committed");
        let count = 0;
        while (reader.next()) count++;
        seen.set(each.partition, count);
      }
    }
    assert.deepEqual([...new Set(seen.values())], [values.length]);
  });

  rule("partitions are answered in turn: full answers starve none", async (world) => {
    const partitions = [0, 1, 2];
    const topic = await world.topic(partitions.length);
    const producer = await world.producer(null);
    await producer.send(
      partitions.map((partition) => ({ topic, partition, batch: batchOf("x".repeat(5000)) })),
    );
    const seen = new Set<number>();
    for (const _ of [...partitions, ...partitions]) {
      const fetched = await world.broker.fetch({
        partitions: partitions.map((partition) => ({ topic, partition, offset: 0, maxBytes: 1 })),
        isolation: "read_committed",
        maxWaitMs: 1000,
        maxBytes: 1,
      });
      for (const { partition } of fetched) seen.add(partition);
    }
    assert.deepEqual([...seen].sort(), partitions);
  });

  rule("the first batch is given however small the limit is", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer(null);
    await producer.send([{ topic, partition: 0, batch: batchOf("x".repeat(5000)) }]);
    const fetched = await world.broker.fetch({
      partitions: [{ topic, partition: 0, offset: 0, maxBytes: 1 }],
      isolation: "read_committed",
      maxWaitMs: 1000,
      maxBytes: 1,
    });
    const reader = new RecordReader();
    assert.ok(fetched[0]);
    reader.open(fetched[0], "read_committed");
    assert.ok(reader.next());
  });

  rule("an idle fetch ends when its time is over, or when there is something", async (world) => {
    const topic = await world.topic();
    const producer = await world.producer();
    const before = Date.now();
    assert.equal(await world.fetch(topic, 0, 0, "read_committed", 150), undefined);
    assert.ok(Date.now() - before >= 140);
    const waiting = world.fetch(topic, 0, 0, "read_committed", patienceMs);
    await world.committed(producer, topic, "news");
    assert.ok(await waiting);
    assert.ok(Date.now() - before < patienceMs);
  });
}
