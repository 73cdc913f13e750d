import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type KafkaStack, startKafka } from "../../stacks/local/kafka.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import type { ProducerBatch, TopicPartition } from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { RecordReader } from "../record-batch/reader.ts";
import { type KafkaBroker, openKafkaBroker } from "./kafka-broker.ts";
import { kafkajsInternals } from "./kafkajs-internals.ts";

/*
 * What breaks exactly-once in kafkajs 2.2.4, one test a finding: on a real broker, this adapter
 * does not have it.
 */

const skip = requirement("java", "maven");
let directory = "";
let kafka: KafkaStack;
let broker: KafkaBroker;
let topics = 0;

before(async () => {
  if (skip === false) {
    directory = await mkdtemp(join(tmpdir(), "millrace-kafka-"));
    kafka = await startKafka({ directory });
    broker = await openKafkaBroker({ brokers: kafka.brokers, clientId: "findings" });
  }
});

after(async () => {
  if (skip === false) {
    await broker?.close();
    await kafka?.kill();
    await rm(directory, { recursive: true, force: true });
  }
});

async function newTopic(partitions = 1): Promise<string> {
  const name = `finding-${topics++}`;
  await broker.createTopics([{ name, partitions, config: { "retention.ms": "-1" } }]);
  return name;
}

function batchOf(place: TopicPartition, values: readonly string[], key?: Buffer): ProducerBatch {
  const builder = new RecordBatchBuilder();
  for (const value of values) {
    builder.append(key ?? null, Buffer.from(value), Date.now());
  }
  return { ...place, batch: builder.build() };
}

/** The end once the markers of all ended transactions stand: they follow the commit's answer. */
async function settledEnd(topic: string): Promise<number> {
  for (;;) {
    const [stable = 0, latest = 0] = await broker.listOffsets([
      { topic, partition: 0, at: "stable" },
      { topic, partition: 0, at: "latest" },
    ]);
    if (stable === latest) {
      return stable;
    }
  }
}

async function readAll(
  topic: string,
  isolation: "read_committed" | "read_uncommitted" = "read_committed",
): Promise<string[]> {
  const end = await settledEnd(topic);
  const reader = new RecordReader({ checkCrc: true });
  const values: string[] = [];
  for (let offset = 0; offset < end; offset = reader.nextOffset) {
    const partitions = [{ topic, partition: 0, offset, maxBytes: 1 << 20 }];
    const [fetched] = await broker.fetch({
      partitions,
      isolation,
      maxWaitMs: 1_000,
      maxBytes: 1 << 20,
    });
    assert.ok(fetched, `nothing at ${offset} of ${end}`);
    reader.open(fetched, isolation);
    while (reader.next()) {
      values.push(reader.buffer.toString("utf8", reader.valueStart, reader.valueEnd));
    }
  }
  return values;
}

test("finding 1: transactions aborted with overlap do not leak", { skip }, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  const writers = await Promise.all(
    [0, 1, 2, 3].map((id) => broker.producer({ transactionalId: `overlap-${id}` })),
  );
  const committed: string[] = [];
  for (let round = 0; round < 5; round++) {
    for (const writer of writers) {
      writer.begin();
    }
    for (let part = 0; part < 2; part++) {
      for (const [id, writer] of writers.entries()) {
        const value = `${id}-${round}-${part}`;
        await writer.send([batchOf(place, [value])]);
        if ((id + round) % 2 === 0) {
          committed.push(value);
        }
      }
    }
    // Ended in the reverse order of their starts: the broker lists them by their ends.
    for (const [id, writer] of [...writers.entries()].reverse()) {
      await ((id + round) % 2 === 0 ? writer.commit() : writer.abort());
    }
  }
  assert.deepEqual((await readAll(topic)).sort(), committed.sort());
  assert.equal((await readAll(topic, "read_uncommitted")).length, 40);
  await Promise.all(writers.map((writer) => writer.close()));
});

test("finding 2: a data key of four zero bytes does not end an abort", { skip }, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  const writer = await broker.producer({ transactionalId: "zero-key" });
  writer.begin();
  await writer.send([batchOf(place, ["gone"], Buffer.alloc(4))]);
  await writer.send([batchOf(place, ["gone too"])]);
  await writer.abort();
  writer.begin();
  await writer.send([batchOf(place, ["kept"])]);
  await writer.commit();
  await writer.close();
  assert.deepEqual(await readAll(topic), ["kept"]);
});

test("finding 3: offsets of an earlier generation are refused", { skip }, async () => {
  const topic = await newTopic();
  const assign = (members: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> => members;
  const join = { group: "fenced", metadata: Buffer.from("m"), assign };
  const member = await broker.join(join);
  const old = member.identity;
  await member.rejoin();
  const writer = await broker.producer({ transactionalId: "generation" });
  const offsets = [{ topic, partition: 0, offset: 5 }];
  writer.begin();
  await assert.rejects(writer.sendOffsets("fenced", offsets, old), { code: "ILLEGAL_GENERATION" });
  await writer.abort();
  writer.begin();
  const stranger = { ...member.identity, memberId: "stranger" };
  await assert.rejects(writer.sendOffsets("fenced", offsets, stranger), { code: "UNKNOWN_MEMBER" });
  await assert.rejects(writer.commit(), { code: "TRANSACTION_STATE" });
  await writer.abort();
  await assert.rejects(broker.commitOffsets("fenced", offsets, old), {
    code: "ILLEGAL_GENERATION",
  });
  writer.begin();
  await writer.sendOffsets("fenced", offsets, member.identity);
  await writer.commit();
  const [committed] = await broker.committed("fenced", [{ topic, partition: 0 }]);
  assert.equal(committed?.offset, 5);
  await writer.close();
  await member.leave();
});

test("finding 4: committed offsets wait for the open transaction", { skip }, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  const writer = await broker.producer({ transactionalId: "unstable" });
  writer.begin();
  await writer.sendOffsets("stable", [{ ...place, offset: 3, metadata: "m" }], null);
  const reading = broker.committed("stable", [place]);
  const first = await Promise.race([reading, writer.send([batchOf(place, ["x"])])]);
  assert.deepEqual(first, [0], "the offset was answered before the transaction ended");
  await writer.commit();
  assert.deepEqual(await reading, [{ ...place, offset: 3, metadata: "m" }]);
  await writer.close();
});

test("a hung owner is fenced by its transactional id", { skip }, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  const hung = await broker.producer({ transactionalId: "hung-1" });
  const other = await broker.producer({ transactionalId: "other-1" });
  hung.begin();
  other.begin();
  await hung.sendOffsets("hangs", [{ ...place, offset: 3 }], null);
  await other.send([batchOf(place, ["kept"])]);
  const ids = await broker.fenceTransactions((id) => id.startsWith("hung-"));
  assert.deepEqual(ids, ["hung-1"]);
  assert.equal((await broker.committed("hangs", [place]))[0]?.offset, null);
  await assert.rejects(hung.commit(), { code: "PRODUCER_FENCED" });
  await other.commit();
  assert.deepEqual(await readAll(topic), ["kept"]);
  await Promise.all([hung.close(), other.close()]);
});

test("finding 5: after a fenced commit the id works again by a new producer", {
  skip,
}, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  const first = await broker.producer({ transactionalId: "again" });
  first.begin();
  await first.send([batchOf(place, ["lost"])]);
  const second = await broker.producer({ transactionalId: "again" });
  assert.ok(second.epoch > first.epoch);
  await assert.rejects(first.commit(), { code: "PRODUCER_FENCED" });
  assert.throws(() => first.begin(), { code: "PRODUCER_FENCED" });
  second.begin();
  await second.send([batchOf(place, ["kept"])]);
  await second.commit();
  assert.deepEqual(await readAll(topic), ["kept"]);
  await Promise.all([first.close(), second.close()]);
});

test("finding 6: transactions follow each other without a long back-off", { skip }, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  const writer = await broker.producer({ transactionalId: "quick" });
  const tookMs: number[] = [];
  for (let index = 0; index < 20; index++) {
    const startMs = performance.now();
    writer.begin();
    await writer.sendOffsets("quick", [{ ...place, offset: index }], null);
    await writer.send([batchOf(place, [`${index}`])]);
    await writer.commit();
    tookMs.push(performance.now() - startMs);
  }
  tookMs.sort((a, b) => a - b);
  // kafkajs's first back-off alone is 300 ms, and most of its transactions have one; a machine
  // that is busy slows some down.
  assert.ok((tookMs[5] ?? 0) < 250, `the sixth of 20 took ${tookMs[5]} ms`);
  await writer.close();
});

test("finding 8: the partition is the caller's, on every try", { skip }, async () => {
  const topic = await newTopic(3);
  const writer = await broker.producer({ transactionalId: null });
  await writer.send([2, 0].map((partition) => batchOf({ topic, partition }, [`p${partition}`])));
  const partitions = [0, 1, 2].map((partition) => ({ topic, partition, at: "latest" as const }));
  assert.deepEqual(await broker.listOffsets(partitions), [1, 0, 1]);
  await writer.close();
});

test("finding 9: the time of a send is linear in its records", { skip }, async () => {
  const topic = await newTopic();
  const builder = new RecordBatchBuilder();
  for (let index = 0; index < 50_000; index++) {
    builder.append(null, Buffer.from("v"), Date.now());
  }
  const writer = await broker.producer({ transactionalId: null });
  const before = process.cpuUsage();
  await writer.send([{ topic, partition: 0, batch: builder.build() }]);
  // kafkajs computes for 27 s.
  assert.ok(process.cpuUsage(before).user < 5_000_000, "microseconds of CPU");
  assert.deepEqual(await broker.listOffsets([{ topic, partition: 0, at: "latest" }]), [50_000]);
  await writer.close();
});

test("finding 11: an idle connection arms no timer for pending requests", { skip }, async () => {
  const { patched, Connection } = kafkajsInternals();
  const require = createRequire(import.meta.url);
  assert.equal(require("kafkajs/src/protocol/request.js"), patched.request);
  assert.equal(require("kafkajs/src/network/requestQueue/index.js"), patched.requestQueue);
  assert.equal(require("kafkajs/package.json").version, "2.2.4");
  assert.equal((patched.requestQueue as { name: string }).name, "PatchedRequestQueue");
  const namespace = (): object => ({ debug() {}, error() {}, warn() {}, info() {} });
  const connection = new Connection({
    host: "127.0.0.1",
    port: 1,
    clientId: "idle",
    logger: { namespace },
    socketFactory: null,
    requestTimeout: 1_000,
    connectionTimeout: 1_000,
    ssl: null,
    sasl: null,
  }) as unknown as {
    requestQueue: { throttleCheckTimeoutId: unknown; checkPendingRequests(): void };
  };
  assert.ok(connection.requestQueue instanceof (patched.requestQueue as new () => object));
  connection.requestQueue.checkPendingRequests();
  assert.equal(connection.requestQueue.throttleCheckTimeoutId, null);
});

test("finding 12: a transactional producer takes one producer id", { skip }, async () => {
  const first = await broker.producer({ transactionalId: "one-id-a" });
  const second = await broker.producer({ transactionalId: "one-id-b" });
  assert.equal(second.producerId, first.producerId + 1);
  await Promise.all([first.close(), second.close()]);
});

test("a batch beyond max.message.bytes is refused and the next one goes on", { skip }, async () => {
  const topic = "small-batches";
  await broker.createTopics([
    { name: topic, partitions: 1, config: { "max.message.bytes": "1000" } },
  ]);
  const place = { topic, partition: 0 };
  const writer = await broker.producer({ transactionalId: "small" });
  writer.begin();
  await writer.send([batchOf(place, ["aborted with the large one"])]);
  await assert.rejects(writer.send([batchOf(place, ["x".repeat(2_000)])]), {
    code: "RECORD_TOO_LARGE",
  });
  await writer.abort();
  writer.begin();
  await writer.send([batchOf(place, ["kept"])]);
  await writer.commit();
  assert.deepEqual(await readAll(topic), ["kept"]);
  await writer.close();
});

test("after kill -9 of the broker commits go on and nothing is lost or doubled", {
  skip,
}, async () => {
  const topic = await newTopic();
  const place = { topic, partition: 0 };
  let writer = await broker.producer({ transactionalId: "survivor" });
  const committed: string[] = [];
  const commit = async (value: string): Promise<void> => {
    writer.begin();
    await writer.send([batchOf(place, [value])]);
    await writer.sendOffsets("survivor", [{ ...place, offset: committed.length + 1 }], null);
    await writer.commit();
    committed.push(value);
  };
  await commit("before");
  await kafka.kill();
  const restart = kafka.start();
  try {
    await commit("during");
  } catch {
    await restart;
    await writer.close();
    writer = await broker.producer({ transactionalId: "survivor" });
    const [position] = await broker.committed("survivor", [place]);
    committed.push(...(position?.offset === 2 ? ["during"] : []));
  }
  await restart;
  await commit("after");
  assert.deepEqual(await readAll(topic), committed);
  await writer.close();
});
