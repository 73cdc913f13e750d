import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { ClusterClient } from "./cluster-client.ts";
import { kafkaCode } from "./error-codes.ts";
import { openKafkaBroker } from "./kafka-broker.ts";
import { Lane } from "./lane.ts";
import { leaveGroupRequest } from "./requests/groups.ts";
import { byTopic } from "./requests/kafka-request.ts";
import { type Answer, type Leaders, startScriptedBroker } from "./scripted-broker-fixture.ts";
import type { WireReader } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";

const operationNotAttempted = 55;
const loading = 14;

async function opened(
  t: TestContext,
  answers: Readonly<Record<string, Answer>>,
  leaders: () => Leaders = () => ({ a: [0], b: [0] }),
  requestTimeoutMs = 2_000,
) {
  const scripted = await startScriptedBroker({ answers, leaders });
  const { brokers } = scripted;
  const logger = { error() {}, warn() {}, info() {}, debug() {} };
  const options = { clientId: "test", requestTimeoutMs, logger };
  const broker = await openKafkaBroker({ brokers, ...options });
  t.after(async () => {
    await broker.close();
    await scripted.close();
  });
  return broker;
}

test("an answer of 2 GB is refused when its length is read, and nothing waits for it", async () => {
  for (const greeting of [
    Buffer.from("7fffffff00000001", "hex"),
    Buffer.from("HTTP/1.1 400 \r\n"),
  ]) {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write(greeting));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const silent = { error() {}, warn() {}, info() {}, debug() {} };
    const started = performance.now();
    await assert.rejects(
      openKafkaBroker({ brokers: [`127.0.0.1:${port}`], clientId: "test", logger: silent }),
      { code: "BROKER_ANSWER_OVERSIZE", message: new RegExp(`127.0.0.1:${port} began an answer`) },
    );
    assert.ok(performance.now() - started < 5_000, "long before a request's time is over");
    server.close();
  }
});

function batch() {
  const builder = new RecordBatchBuilder();
  builder.append(null, Buffer.from("v"), 0);
  return builder.build();
}

/** Partitions by topic, as many requests and answers hold them. */
function readPlaces(request: WireReader, each: () => number) {
  return request
    .array(() => {
      const topic = request.string();
      return request.array(() => ({ topic, partition: each() }));
    })
    .flat();
}

function writePlaces<T extends { topic: string; partition: number }>(
  answer: WireWriter,
  places: readonly T[],
  each: (place: T) => void,
): void {
  answer.array(byTopic(places), ({ topic, partitions }) => {
    answer.string(topic);
    answer.array(partitions, (place) => {
      answer.int32(place.partition);
      each(place);
    });
  });
}

/** One record for each partition that is asked for, at any offset. */
function answerFetch(request: WireReader, answer: WireWriter): void {
  for (let field = 0; field < 4; field++) request.int32();
  request.int8();
  request.int32();
  request.int32();
  const places = readPlaces(request, () => {
    const partition = request.int32();
    request.int32();
    request.int64();
    request.int64();
    request.int32();
    return partition;
  });
  answer.int32(0);
  answer.int16(kafkaCode.none);
  answer.int32(0);
  writePlaces(answer, places, () => {
    answer.int16(kafkaCode.none);
    for (const offset of [1, 1, 0]) answer.int64(offset);
    answer.int32(0);
    answer.int32(-1);
    answer.bytes(batch().encoded);
  });
}

test("a partition whose leader has moved is found again beside one that always has records", async (t) => {
  let looks = 0;
  const leaders = () => ({ a: [0], b: [++looks > 2 ? 0 : 1] });
  const broker = await opened(t, { Fetch: answerFetch }, leaders);
  const place = { partition: 0, offset: 0, maxBytes: 1 << 20 };
  const seen = new Set<string>();
  for (let round = 0; seen.size < 2 && round < 200; round++) {
    const fetched = await broker.fetch({
      partitions: [
        { topic: "a", ...place },
        { topic: "b", ...place },
      ],
      isolation: "read_committed",
      maxWaitMs: 100,
      maxBytes: 1 << 20,
    });
    for (const { topic } of fetched) seen.add(topic);
  }
  assert.deepEqual([...seen].sort(), ["a", "b"]);
});

test("of partitions refused together, the one that is the cause is named", async (t) => {
  const broker = await opened(t, {
    AddPartitionsToTxn(request, answer) {
      request.string();
      request.int64();
      request.int16();
      const places = readPlaces(request, () => request.int32());
      answer.int32(0);
      writePlaces(answer, places, ({ topic }) =>
        answer.int16(topic === "b" ? 29 : operationNotAttempted),
      );
    },
  });
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  const send = producer.send(["a", "b"].map((topic) => ({ topic, partition: 0, batch: batch() })));
  await assert.rejects(send, { code: "BROKER_AUTHORIZATION", message: /of b/ });
});

test("a producer without transactions that is fenced has outlasted no time of one", async (t) => {
  const broker = await opened(t, {
    Produce(request, answer) {
      request.nullableString();
      request.int16();
      request.int32();
      const places = readPlaces(request, () => {
        const partition = request.int32();
        request.bytes();
        return partition;
      });
      writePlaces(answer, places, () => {
        answer.int16(kafkaCode.invalidProducerEpoch);
        for (let field = 0; field < 3; field++) answer.int64(-1);
      });
      answer.int32(0);
    },
  });
  const producer = await broker.producer({ transactionalId: null, transactionTimeoutMs: 1 });
  const send = producer.send([{ topic: "a", partition: 0, batch: batch() }]);
  await assert.rejects(send, { code: "PRODUCER_FENCED" });
});

test("a topic that a coordinator does not know is unknown before all patience is gone", async (t) => {
  const broker = await opened(
    t,
    {
      AddPartitionsToTxn(request, answer) {
        request.string();
        request.int64();
        request.int16();
        const places = readPlaces(request, () => request.int32());
        answer.int32(0);
        writePlaces(answer, places, () => answer.int16(kafkaCode.unknownTopicOrPartition));
      },
    },
    undefined,
    60_000,
  );
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  const started = performance.now();
  const send = producer.send([{ topic: "a", partition: 0, batch: batch() }]);
  await assert.rejects(send, { code: "TOPIC_UNKNOWN" });
  assert.ok(performance.now() - started < 30_000);
});

test("hung transactions are asked for until no node is loading them, or dead", async (t) => {
  let asked = 0;
  let looks = 0;
  const leaders = () => ({ a: [++looks > 2 ? 0 : 1] });
  const answers: Record<string, Answer> = {
    ListTransactions(_, answer) {
      const ready = ++asked > 3;
      answer.int32(0);
      answer.int16(ready ? kafkaCode.none : loading);
      answer.compactArray([], () => {});
      answer.compactArray(ready ? ["hung"] : [], (id) => {
        answer.compactString(id);
        answer.int64(7);
        answer.compactString("Ongoing");
        answer.noTags();
      });
      answer.noTags();
    },
  };
  const broker = await opened(t, answers, leaders);
  assert.deepEqual(await broker.fenceTransactions(() => true), ["hung"]);
});

test("topics are made and deleted once the controller is found, whatever is there already", async (t) => {
  const notController = 41;
  let isDeleted = false;
  const answers: Record<string, Answer> = {};
  for (const [name, settled] of [
    ["CreateTopics", kafkaCode.topicExists],
    ["DeleteTopics", kafkaCode.unknownTopicOrPartition],
  ] as const) {
    let asked = 0;
    answers[name] = (_, answer) => {
      const moved = asked++ === 0;
      isDeleted = name === "DeleteTopics" && !moved;
      answer.int32(0);
      answer.array(["a", "b"], (topic) => {
        answer.string(topic);
        answer.int16(topic === "a" ? settled : moved ? notController : kafkaCode.none);
        if (name === "CreateTopics") answer.nullableString(null);
      });
    };
  }
  let looks = 0;
  const leaders = (): Leaders => (++looks < 3 || isDeleted ? {} : { a: [0], b: [0] });
  const broker = await opened(t, answers, leaders);
  await broker.createTopics(["a", "b"].map((name) => ({ name, partitions: 1, config: {} })));
  await broker.deleteTopics(["a", "b"]);
});

test("settings that this user may not see are no mismatch", async (t) => {
  const broker = await opened(t, {
    DescribeConfigs(_, answer) {
      answer.int32(0);
      answer.array(["a"], (topic) => {
        answer.int16(29);
        answer.nullableString(null);
        answer.int8(2);
        answer.string(topic);
        answer.int32(0);
      });
    },
  });
  const topic = { name: "a", partitions: 1, config: { "retention.ms": "-1" } };
  await assert.rejects(broker.createTopics([topic]), { code: "BROKER_AUTHORIZATION" });
});

test("a broker that was closed opens no connection any more", async (t) => {
  const broker = await opened(t, { Fetch: answerFetch });
  await broker.producer({ transactionalId: "w" });
  await broker.close();
  const closed = { code: "BROKER_CLOSED" };
  const place = { topic: "a", partition: 0, offset: 0, maxBytes: 1 };
  const isolation = "read_committed";
  const request = { partitions: [place], isolation, maxWaitMs: 0, maxBytes: 1 } as const;
  await assert.rejects(broker.fetch(request), closed);
  await assert.rejects(broker.producer({ transactionalId: "w" }), closed);
});

test("a call with a limit of its own ends with it when no broker is there", async (t) => {
  const logger = { error() {}, warn() {}, info() {}, debug() {} };
  const client = new ClusterClient(["127.0.0.1:1"], {
    clientId: "test",
    ssl: null,
    sasl: null,
    logger,
    requestTimeoutMs: 10_000,
    connectTimeoutMs: 1_000,
  });
  t.after(() => client.close());
  const started = performance.now();
  const leave = leaveGroupRequest("g", "m");
  const left = client.onCoordinator(client.lane(), "group", "g", leave, (code) => code, 200);
  await assert.rejects(left, { code: "BROKER_UNAVAILABLE" });
  assert.ok(performance.now() - started < 5_000);
});

test("who asks where a topic ends does not wait behind offsets that are being committed", async (t) => {
  const heard = new EventEmitter();
  const answers = {
    ListOffsets(_: WireReader, answer: WireWriter) {
      answer.int32(0);
      answer.array(["a"], (topic) => {
        answer.string(topic);
        answer.array([0], (partition) => {
          answer.int32(partition);
          answer.int16(kafkaCode.none);
          answer.int64(-1);
          answer.int64(42);
        });
      });
    },
  };
  const script = { answers, leaders: () => ({ a: [0] }), inTurn: true };
  const scripted = await startScriptedBroker({ ...script, heard: (name) => heard.emit(name) });
  const logger = { error() {}, warn() {}, info() {}, debug() {} };
  const options = { clientId: "test", requestTimeoutMs: 2_000, logger };
  const broker = await openKafkaBroker({ brokers: scripted.brokers, ...options });
  t.after(async () => {
    await broker.close();
    await scripted.close();
  });
  const place = { topic: "a", partition: 0 };
  const arrived = once(heard, "OffsetCommit");
  let isOver = false;
  const committed = broker.commitOffsets("g", [{ ...place, offset: 1 }], null).catch(() => {});
  void committed.then(() => {
    isOver = true;
  });
  await arrived;
  assert.deepEqual(await broker.listOffsets([{ ...place, at: "latest" }]), [42]);
  assert.equal(isOver, false, "the commit has no answer yet");
});

test("however many requests a silent connection takes with it, it is ended once", async (t) => {
  const scripted = await startScriptedBroker({ answers: {}, leaders: () => ({}) });
  const [host = "", port = ""] = (scripted.brokers[0] ?? "").split(":");
  const logger = { error() {}, warn() {}, info() {}, debug() {} };
  const lane = new Lane({
    clientId: "test",
    ssl: null,
    sasl: null,
    logger,
    requestTimeoutMs: 200,
    connectTimeoutMs: 1_000,
  });
  const warnings: string[] = [];
  const note = ({ name }: Error) => warnings.push(name);
  process.on("warning", note);
  t.after(async () => {
    process.off("warning", note);
    await lane.close();
    await scripted.close();
  });
  const address = { node: 0, host, port: Number(port) };
  // The first gives up before the others, which end with its connection.
  const unanswered = Array.from({ length: 40 }, (_, i) => {
    const leave = { ...leaveGroupRequest("g", "m"), waitMs: i === 0 ? 0 : 60_000 };
    return assert.rejects(lane.send(address, leave), { code: "BROKER_UNAVAILABLE" });
  });
  await Promise.all(unanswered);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});
