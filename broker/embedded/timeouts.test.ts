import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, GroupMember } from "../broker.ts";
import { RecordBatchBuilder } from "../record-batch/builder.ts";
import { type EmbeddedControls, openEmbeddedBroker } from "./embedded-broker.ts";
import { HandClock, settle } from "./hand-clock-fixture.ts";

async function opened() {
  const clock = new HandClock();
  const broker = await openEmbeddedBroker({ directory: null, clock });
  await broker.createTopics([{ name: "t", partitions: 1, config: {} }]);
  return { clock, broker };
}

function join(broker: Broker, name: string, sessionTimeoutMs = 9000): Promise<GroupMember> {
  return broker.join({
    group: "g",
    metadata: Buffer.from(name),
    sessionTimeoutMs,
    rebalanceTimeoutMs: 5000,
    assign: (members) => {
      const names = Buffer.from([...members.values()].map(String).sort().join(","));
      return new Map([...members.keys()].map((id) => [id, names]));
    },
  });
}

function batch() {
  const builder = new RecordBatchBuilder();
  builder.append(null, Buffer.from("x"), 0);
  return builder.build();
}

const at = { topic: "t", partition: 0 };
const stable = async (broker: Broker) => (await broker.listOffsets([{ ...at, at: "stable" }]))[0];

test("a member that falls silent is out after its session timeout, the others go on", async () => {
  const { clock, broker } = await opened();
  const silent = await join(broker, "a");
  let lost = 0;
  silent.onLost(() => lost++);
  const joining = join(broker, "b");
  await settle();
  assert.equal(lost, 1);
  await silent.rejoin();
  const other = await joining;
  assert.equal(other.assignment.toString(), "a,b");
  other.onLost(() => void other.rejoin());
  await clock.advance(60_000);
  assert.equal(other.assignment.toString(), "a,b", "heartbeats keep both");
  broker.silence(silent.identity);
  await clock.advance(14_000);
  assert.equal(lost, 2);
  assert.equal(other.assignment.toString(), "b");
  const offsets = [{ ...at, offset: 1 }];
  await assert.rejects(broker.commitOffsets("g", offsets, silent.identity), {
    code: "UNKNOWN_MEMBER",
  });
  const rejoined = silent.rejoin();
  await rejoined;
  await settle();
  assert.equal(other.assignment.toString(), "a,b");
  await broker.close();
  assert.equal(clock.pending, 0, "no timer outlives the broker");
});

test("a newer member of the same instance takes the place of the older one at once", async () => {
  const { broker } = await opened();
  const options = {
    group: "g",
    metadata: Buffer.from("a"),
    instanceId: "one",
    assign: (members: ReadonlyMap<string, Buffer>) => members,
  };
  const hung = await broker.join(options);
  let lost = 0;
  hung.onLost(() => lost++);
  const next = await broker.join(options);
  assert.equal(lost, 1);
  assert.notEqual(next.identity.memberId, hung.identity.memberId);
  await assert.rejects(broker.commitOffsets("g", [{ ...at, offset: 1 }], hung.identity), {
    code: "UNKNOWN_MEMBER",
  });
  await broker.commitOffsets("g", [{ ...at, offset: 1 }], next.identity);
  await broker.close();
});

test("a member that does not rejoin in time is out when the round is over", async () => {
  const { clock, broker } = await opened();
  const hung = await join(broker, "a");
  const joining = join(broker, "b");
  await clock.advance(4999);
  assert.equal(hung.assignment.toString(), "a");
  await clock.advance(1);
  assert.equal((await joining).assignment.toString(), "b");
  await broker.close();
});

test("an assigner that fails fails every join, and the group can be joined anew", async () => {
  const { broker } = await opened();
  const failing = broker.join({
    group: "g",
    metadata: Buffer.alloc(0),
    assign: () => {
      throw new RangeError("no assignment");
    },
  });
  await assert.rejects(failing, { message: "no assignment" });
  assert.equal((await join(broker, "a")).assignment.toString(), "a");
  await broker.close();
});

test("a transaction that takes too long is aborted and its producer fenced", async () => {
  const { clock, broker } = await opened();
  const producer = await broker.producer({ transactionalId: "w", transactionTimeoutMs: 3000 });
  producer.begin();
  await producer.send([{ ...at, batch: batch() }]);
  await producer.sendOffsets("g", [{ ...at, offset: 9 }], null);
  assert.equal(await stable(broker), 0);
  const committed = broker.committed("g", [at]);
  await clock.advance(2999);
  assert.equal(await stable(broker), 0);
  await clock.advance(1);
  assert.equal(await stable(broker), 2);
  assert.equal((await committed)[0]?.offset, null);
  await assert.rejects(producer.commit(), { code: "PRODUCER_FENCED" });
  await broker.close();
  assert.equal(clock.pending, 0);
});

test("a fetch waits as long as it was told, by the clock", async () => {
  const { clock, broker } = await opened();
  let done = false;
  const request = { partitions: [{ ...at, offset: 0, maxBytes: 100 }], maxBytes: 100 };
  const waiting = broker
    .fetch({ ...request, isolation: "read_committed", maxWaitMs: 500 })
    .finally(() => {
      done = true;
    });
  await clock.advance(499);
  assert.ok(!done);
  await clock.advance(1);
  assert.deepEqual(await waiting, []);
  const open = broker.fetch({ ...request, isolation: "read_committed", maxWaitMs: 500 });
  await broker.close();
  await assert.rejects(open, { code: "BROKER_CLOSED" });
});

test("a crash of all clients aborts, fences and sends away; the log stays", async () => {
  const { broker } = await opened();
  const controls: EmbeddedControls = broker;
  const producer = await broker.producer({ transactionalId: "w" });
  const plain = await broker.producer({ transactionalId: null });
  const member = await join(broker, "a");
  await plain.send([{ ...at, batch: batch() }]);
  producer.begin();
  await producer.send([{ ...at, batch: batch() }]);
  assert.equal(await stable(broker), 1);
  controls.crash();
  assert.equal(await stable(broker), 3);
  assert.equal(controls.stats().openTransactions, 0);
  await assert.rejects(producer.commit(), { code: /PRODUCER_FENCED|BROKER_CLOSED/ });
  await assert.rejects(plain.send([{ ...at, batch: batch() }]), { code: "BROKER_CLOSED" });
  await assert.rejects(broker.commitOffsets("g", [{ ...at, offset: 1 }], member.identity), {
    code: "UNKNOWN_MEMBER",
  });
  const next = await broker.producer({ transactionalId: "w" });
  assert.ok(next.epoch > producer.epoch);
  const again = await join(broker, "b");
  assert.ok(again.identity.generation > member.identity.generation);
  await broker.close();
});
