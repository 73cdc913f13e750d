/**
 * What every adapter of the broker port must do: each sentence of `broker.ts`, as tests. Why long:
 * one suite, read as one list of rules.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  Broker,
  FetchedPartition,
  GroupMember,
  GroupOptions,
  Producer,
  RecordBatch,
} from "./broker.ts";
import { RecordBatchBuilder } from "./record-batch/builder.ts";
import { RecordReader } from "./record-batch/reader.ts";

export interface BrokerCapabilities {
  /** Why the suite cannot run here; shown instead of its tests. @default false */
  readonly skip?: false | string;
  /** Whether `cleanup.policy=compact` can be asked to run now. @default none */
  readonly compact?: (broker: Broker, topic: string) => void;
}

interface Opened {
  readonly broker: Broker;
  close(): Promise<void>;
}

/** Longest wait for something that is known to come. */
const patienceMs = 30_000;
const bigFetch = 64 * 1024 * 1024;

/** Registers the rules of the port as tests of `name`; `open` may give a shared, real broker. */
export function brokerConformance(
  name: string,
  open: () => Promise<Opened>,
  capabilities: BrokerCapabilities = {},
): void {
  const { skip = false } = capabilities;
  const rule = (sentence: string, run: (world: World) => Promise<void>): void => {
    test(`${name}: ${sentence}`, { skip, timeout: 4 * patienceMs }, async () => {
      const opened = await open();
      const world = new World(opened.broker);
      try {
        await run(world);
      } finally {
        await world.cleanUp();
        await opened.close();
      }
    });
  };
  topicRules(rule);
  logRules(rule);
  transactionRules(rule);
  fencingRules(rule);
  offsetRules(rule);
  groupRules(rule);
  if (capabilities.compact !== undefined) compactionRules(rule, capabilities.compact);
}

type Rule = (sentence: string, run: (world: World) => Promise<void>) => void;

let names = 0;

/** A broker and what a test has made on it; names are unique, since the broker may be shared. */
class World {
  readonly broker: Broker;
  readonly prefix: string;
  readonly #topics: string[] = [];
  readonly #producers: Producer[] = [];
  readonly #members: GroupMember[] = [];

  constructor(broker: Broker) {
    this.broker = broker;
    this.prefix = `conformance.${process.pid}.${Date.now().toString(36)}.${names++}`;
  }

  name(suffix: string): string {
    return `${this.prefix}.${suffix}`;
  }

  async topic(
    partitions = 1,
    config: Readonly<Record<string, string>> = {},
    suffix = `t${this.#topics.length}`,
  ): Promise<string> {
    const name = this.name(suffix);
    this.#topics.push(name);
    await this.broker.createTopics([
      { name, partitions, config: { "retention.ms": "-1", ...config } },
    ]);
    return name;
  }

  async producer(suffix: string | null = "writer"): Promise<Producer> {
    const transactionalId = suffix === null ? null : this.name(suffix);
    const producer = await this.broker.producer({ transactionalId });
    this.#producers.push(producer);
    return producer;
  }

  async join(options: Partial<GroupOptions> & { group: string }): Promise<GroupMember> {
    const member = await this.broker.join({
      metadata: Buffer.alloc(0),
      assign: assignNames,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      ...options,
    });
    this.#members.push(member);
    return member;
  }

  /** All values that a reader sees from an offset on, read to the present end. */
  async values(
    topic: string,
    partition = 0,
    from = 0,
    isolation: "read_committed" | "read_uncommitted" = "read_committed",
  ): Promise<string[]> {
    return (await this.records(topic, partition, from, isolation)).map(({ value }) => value);
  }

  async records(
    topic: string,
    partition = 0,
    from = 0,
    isolation: "read_committed" | "read_uncommitted" = "read_committed",
  ): Promise<{ offset: number; key: string | null; value: string }[]> {
    const at = isolation === "read_committed" ? "stable" : "latest";
    const [end = 0] = await this.broker.listOffsets([{ topic, partition, at }]);
    const reader = new RecordReader({ checkCrc: true });
    const found: { offset: number; key: string | null; value: string }[] = [];
    for (let offset = from; offset < end; ) {
      const fetched = await this.fetch(topic, partition, offset, isolation);
      assert.ok(fetched, `${topic}/${partition} has nothing at ${offset} but ends at ${end}`);
      reader.open(fetched, isolation);
      while (reader.next()) {
        found.push({
          offset: reader.offset,
          key: textAt(reader, reader.keyStart, reader.keyEnd),
          value: textAt(reader, reader.valueStart, reader.valueEnd) ?? "null",
        });
      }
      assert.ok(reader.nextOffset > offset, "a fetch leads on");
      offset = reader.nextOffset;
    }
    return found;
  }

  async fetch(
    topic: string,
    partition: number,
    offset: number,
    isolation: "read_committed" | "read_uncommitted" = "read_committed",
    maxWaitMs = 1000,
  ): Promise<FetchedPartition | undefined> {
    const fetched = await this.broker.fetch({
      partitions: [{ topic, partition, offset, maxBytes: bigFetch }],
      isolation,
      maxWaitMs,
      maxBytes: bigFetch,
    });
    return fetched[0];
  }

  async offset(topic: string, at: "earliest" | "latest" | "stable", partition = 0) {
    return (await this.broker.listOffsets([{ topic, partition, at }]))[0];
  }

  /** Commits values as one transaction. */
  async committed(producer: Producer, topic: string, ...values: string[]): Promise<void> {
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf(...values) }]);
    await producer.commit();
    await this.settled(topic);
  }

  /** Waits for the markers of ended transactions: they may come after the answer to their end. */
  async settled(topic: string): Promise<void> {
    await until(
      async () => (await this.offset(topic, "stable")) === (await this.offset(topic, "latest")),
    );
  }

  async cleanUp(): Promise<void> {
    for (const member of this.#members) await member.leave().catch(() => {});
    for (const producer of this.#producers) await producer.close().catch(() => {});
    await this.broker.deleteTopics(this.#topics).catch(() => {});
  }
}

function topicRules(rule: Rule): void {
  rule("a topic is made once, and described with its partitions", async (world) => {
    const topic = await world.topic(3);
    await world.broker.createTopics([
      { name: topic, partitions: 3, config: { "retention.ms": "-1" } },
    ]);
    const missing = world.name("missing");
    const described = await world.broker.describeTopics([missing, topic]);
    assert.deepEqual(
      described.map((each) => [each.name, each.partitions]),
      [[topic, 3]],
    );
    assert.ok((await world.broker.describeTopics()).some((each) => each.name === topic));
  });

  rule("a topic with other partitions or settings than wanted is a mismatch", async (world) => {
    const topic = await world.topic(2, { "max.message.bytes": "100000" });
    const wanted = (partitions: number, bytes: string) =>
      world.broker.createTopics([
        { name: topic, partitions, config: { "max.message.bytes": bytes } },
      ]);
    await wanted(2, "100000");
    await assert.rejects(wanted(3, "100000"), { code: "TOPIC_MISMATCH" });
    await assert.rejects(wanted(2, "200000"), { code: "TOPIC_MISMATCH" });
  });

  rule("a recreated topic is empty and has another id", async (world) => {
    const { broker } = world;
    const topic = await world.topic();
    const producer = await world.producer(null);
    await producer.send([{ topic, partition: 0, batch: batchOf("old") }]);
    await broker.commitOffsets(world.name("group"), [{ topic, partition: 0, offset: 1 }], null);
    const [before] = await broker.describeTopics([topic]);
    assert.ok(before !== undefined && before.id !== "");
    await broker.deleteTopics([topic]);
    await until(async () => (await broker.describeTopics([topic])).length === 0);
    await until(async () => {
      await broker.createTopics([{ name: topic, partitions: 1, config: {} }]);
      return (await broker.describeTopics([topic])).length === 1;
    });
    const [after] = await broker.describeTopics([topic]);
    assert.notEqual(after?.id, before.id);
    assert.equal(await world.offset(topic, "latest"), 0);
  });

  rule("a topic that is not there is unknown", async (world) => {
    const topic = world.name("missing");
    const producer = await world.producer(null);
    const unknown = { code: "TOPIC_UNKNOWN" };
    await assert.rejects(world.fetch(topic, 0, 0), unknown);
    await assert.rejects(
      world.broker.listOffsets([{ topic, partition: 0, at: "latest" }]),
      unknown,
    );
    await assert.rejects(producer.send([{ topic, partition: 0, batch: batchOf("x") }]), unknown);
  });
}

function logRules(rule: Rule): void {
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

function transactionRules(rule: Rule): void {
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

function fencingRules(rule: Rule): void {
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

function offsetRules(rule: Rule): void {
  rule("offsets are committed with their metadata, partition by partition", async (world) => {
    const topic = await world.topic(3);
    const group = world.name("group");
    const metadata = "é".repeat(2048);
    await world.broker.commitOffsets(
      group,
      [
        { topic, partition: 0, offset: 5, metadata },
        { topic, partition: 2, offset: 2 ** 40 },
      ],
      null,
    );
    const all = [0, 1, 2].map((partition) => ({ topic, partition }));
    assert.deepEqual(await world.broker.committed(group, all), [
      { topic, partition: 0, offset: 5, metadata },
      { topic, partition: 1, offset: null, metadata: "" },
      { topic, partition: 2, offset: 2 ** 40, metadata: "" },
    ]);
    await assert.rejects(
      world.broker.commitOffsets(
        group,
        [{ topic, partition: 0, offset: 6, metadata: "x".repeat(4097) }],
        null,
      ),
      { code: "METADATA_TOO_LARGE" },
    );
  });

  rule("offsets of a transaction count from its commit on", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const producer = await world.producer();
    const committed = async () =>
      (await world.broker.committed(group, [{ topic, partition: 0 }]))[0];
    producer.begin();
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 3, metadata: "m" }], null);
    await producer.commit();
    assert.deepEqual(await committed(), { topic, partition: 0, offset: 3, metadata: "m" });
    producer.begin();
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 9 }], null);
    await producer.abort();
    assert.equal((await committed())?.offset, 3);
  });

  rule("committed offsets wait for the transaction that is open on them", async (world) => {
    const topic = await world.topic(2);
    const group = world.name("group");
    const producer = await world.producer();
    await world.broker.commitOffsets(group, [{ topic, partition: 0, offset: 1 }], null);
    producer.begin();
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 2 }], null);
    let answered = false;
    const waiting = world.broker.committed(group, [{ topic, partition: 0 }]).then((offsets) => {
      answered = true;
      return offsets;
    });
    // The other partition is not concerned; its answer is a round trip behind the question above.
    const [other] = await world.broker.committed(group, [{ topic, partition: 1 }]);
    assert.equal(other?.offset, null);
    assert.ok(!answered);
    await producer.commit();
    assert.equal((await waiting)[0]?.offset, 2);
  });
}

function groupRules(rule: Rule): void {
  rule("a member alone gets everything that the leader assigns", async (world) => {
    const group = world.name("group");
    const member = await world.join({ group, metadata: Buffer.from("a") });
    assert.equal(member.assignment.toString(), "a of a");
    assert.ok(member.identity.memberId !== "" && member.identity.generation > 0);
  });

  rule("joining and leaving begin new generations, which every member learns of", async (world) => {
    const group = world.name("group");
    const first = await world.join({ group, metadata: Buffer.from("a") });
    const generation = first.identity.generation;
    const lost = nextLoss(first);
    const joining = world.join({ group, metadata: Buffer.from("b") });
    await lost;
    await first.rejoin();
    const second = await joining;
    assert.ok(first.identity.generation > generation);
    assert.equal(second.identity.generation, first.identity.generation);
    assert.deepEqual(
      [first.assignment.toString(), second.assignment.toString()],
      ["a of a,b", "b of a,b"],
    );
    const lostAgain = nextLoss(second);
    await first.leave();
    await lostAgain;
    await second.rejoin();
    assert.equal(second.assignment.toString(), "b of b");
  });

  rule("the same members get the same assignment", async (world) => {
    const group = world.name("group");
    const members = [await world.join({ group, metadata: Buffer.from("a") })];
    const keepUp = (member: GroupMember) =>
      member.onLost(() => {
        member.rejoin().catch(() => {});
      });
    for (const member of members) keepUp(member);
    for (const name of ["b", "c"]) {
      const member = await world.join({ group, metadata: Buffer.from(name) });
      keepUp(member);
      members.push(member);
    }
    const settled = () => members.every((each) => each.assignment.toString().endsWith("of a,b,c"));
    await until(async () => settled());
    assert.equal(new Set(members.map(({ identity }) => identity.generation)).size, 1);
  });

  rule("offsets of an old generation and of strangers are refused", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const offsets = [{ topic, partition: 0, offset: 1 }];
    const member = await world.join({ group });
    await world.broker.commitOffsets(group, offsets, member.identity);
    const old = member.identity;
    await member.rejoin();
    const illegal = { code: "ILLEGAL_GENERATION" };
    await assert.rejects(world.broker.commitOffsets(group, offsets, old), illegal);
    await world.broker.commitOffsets(group, offsets, member.identity);
    const stranger = { ...member.identity, memberId: "stranger" };
    const unknown = { code: "UNKNOWN_MEMBER" };
    await assert.rejects(world.broker.commitOffsets(group, offsets, stranger), unknown);
    await assert.rejects(world.broker.commitOffsets(group, offsets, null), unknown);
    await member.leave();
    await assert.rejects(world.broker.commitOffsets(group, offsets, member.identity), unknown);
  });

  rule("a transaction of an old generation is fenced, and can only be aborted", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const producer = await world.producer();
    const member = await world.join({ group });
    const old = member.identity;
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf("current") }]);
    await producer.sendOffsets(group, [{ topic, partition: 0, offset: 1 }], old);
    await producer.commit();
    await member.rejoin();
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf("zombie") }]);
    await assert.rejects(producer.sendOffsets(group, [{ topic, partition: 0, offset: 2 }], old), {
      code: "ILLEGAL_GENERATION",
    });
    await producer.abort();
    const stranger = { memberId: "stranger", generation: member.identity.generation };
    producer.begin();
    await assert.rejects(
      producer.sendOffsets(group, [{ topic, partition: 0, offset: 2 }], stranger),
      { code: "UNKNOWN_MEMBER" },
    );
    await producer.abort();
    assert.deepEqual(await world.values(topic), ["current"]);
    const [committed] = await world.broker.committed(group, [{ topic, partition: 0 }]);
    assert.equal(committed?.offset, 1);
  });

  rule("a newer member of the same name takes the place of the older at once", async (world) => {
    const topic = await world.topic();
    const group = world.name("group");
    const named = { group, metadata: Buffer.from("a"), instanceId: "one" };
    const older = await world.join(named);
    const before = older.identity;
    const lost = nextLoss(older);
    const newer = await world.join(named);
    assert.equal(newer.assignment.toString(), "a of a");
    await lost;
    const offsets = [{ topic, partition: 0, offset: 1 }];
    await world.broker.commitOffsets(group, offsets, newer.identity);
    const unknown = { code: "UNKNOWN_MEMBER" };
    await assert.rejects(world.broker.commitOffsets(group, offsets, before), unknown);
    await assert.rejects(older.rejoin(), unknown);
    await world.broker.commitOffsets(group, offsets, newer.identity);
    const joining = world.join({ group, metadata: Buffer.from("b") });
    await nextLoss(newer);
    await newer.rejoin();
    assert.equal((await joining).assignment.toString(), "b of a,b");
    assert.equal(newer.assignment.toString(), "a of a,b");
  });

  rule("a member that joins again by itself is not told that it lost anything", async (world) => {
    const group = world.name("group");
    const member = await world.join({ group, metadata: Buffer.from("a") });
    let losses = 0;
    member.onLost(() => {
      losses++;
    });
    await member.rejoin();
    assert.equal(losses, 0);
    const joining = world.join({ group, metadata: Buffer.from("b") });
    await nextLoss(member);
    await member.rejoin();
    await joining;
    assert.equal(losses, 1);
  });

  rule("a member that does not come back in time is out, the others go on", async (world) => {
    const group = world.name("group");
    const hung = await world.join({ group, metadata: Buffer.from("a"), rebalanceTimeoutMs: 500 });
    const lost = nextLoss(hung);
    const next = await world.join({ group, metadata: Buffer.from("b"), rebalanceTimeoutMs: 500 });
    await lost;
    assert.equal(next.assignment.toString(), "b of b");
    await hung.rejoin();
    assert.notEqual(hung.identity.memberId, "");
  });
}

function compactionRules(rule: Rule, compact: (broker: Broker, topic: string) => void): void {
  rule("a compacted topic keeps the last value of each key, at its offset", async (world) => {
    const topic = await world.topic(1, { "cleanup.policy": "compact" });
    const producer = await world.producer();
    const put = async (entries: readonly [key: string, value: string | null][], commits = true) => {
      const builder = new RecordBatchBuilder();
      for (const [key, value] of entries) {
        builder.append(Buffer.from(key), value === null ? null : Buffer.from(value), 0);
      }
      producer.begin();
      await producer.send([{ topic, partition: 0, batch: builder.build() }]);
      await (commits ? producer.commit() : producer.abort());
    };
    await put([
      ["a", "1"],
      ["b", "1"],
      ["a", "2"],
      ["c", "1"],
    ]);
    await put([["b", "2"]]);
    await put(
      [
        ["a", "aborted"],
        ["c", null],
      ],
      false,
    );
    await put([
      ["c", null],
      ["d", "1"],
    ]);
    const before = await world.records(topic);
    compact(world.broker, topic);
    const last = before.filter(
      ({ key, offset }) => !before.some((each) => each.key === key && each.offset > offset),
    );
    const after = await world.records(topic);
    assert.deepEqual(
      after,
      last.filter(({ value }) => value !== "null"),
    );
    assert.deepEqual(
      after.map(({ key, value }) => `${key}${value}`),
      ["a2", "b2", "d1"],
    );
    await put([["e", "1"]]);
    const grown = await world.records(topic);
    assert.equal(grown.at(-1)?.key, "e");
    for (let from = 0; from <= (grown.at(-1)?.offset ?? 0); from++) {
      const expected = grown.filter(({ offset }) => offset >= from);
      assert.deepEqual(await world.records(topic, 0, from), expected, `from ${from}`);
    }
    producer.begin();
    await producer.send([{ topic, partition: 0, batch: batchOf("open") }]);
    compact(world.broker, topic);
    await producer.abort();
    compact(world.broker, topic);
    assert.deepEqual(await world.values(topic), ["2", "2", "1", "1"]);
  });
}

/** Assigns each member its own name and everybody's. */
function assignNames(members: ReadonlyMap<string, Buffer>): Map<string, Buffer> {
  const all = [...members.values()].map(String).sort().join(",");
  return new Map([...members].map(([id, name]) => [id, Buffer.from(`${name} of ${all}`)]));
}

function nextLoss(member: GroupMember): Promise<void> {
  return new Promise((resolve) => member.onLost(resolve));
}

function batchOf(...values: string[]): RecordBatch {
  const builder = new RecordBatchBuilder();
  for (const value of values) builder.append(Buffer.from("key"), Buffer.from(value), 1000);
  return builder.build();
}

/** The key of an abort marker is four zero bytes when its version is 0: data may look like it. */
function zeroKeyBatchOf(value: string): RecordBatch {
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.alloc(4), Buffer.from(value), 1000);
  return builder.build();
}

function textAt(reader: RecordReader, start: number, end: number): string | null {
  return start < 0 ? null : reader.buffer.toString("utf8", start, end);
}

/** Waits for a condition that something remote makes true. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    if (await condition()) return;
    assert.ok(Date.now() < deadline, "the condition did not come true in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
