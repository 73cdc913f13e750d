/** What each control leaves out of a worker, beside what the product does without it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { countCommitted } from "../../broker/committed-records.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { createMemoryOfflineStore, createMemoryOnlineStore } from "../../sinks/memory/memory.ts";
import { string } from "../../sinks/row-binary.ts";
import type { OnlineFlush } from "../../sinks/store.ts";
import type { Point } from "./messages.ts";
import { TrapGate } from "./trap-gate.ts";
import { TrappedBroker } from "./trapped-broker.ts";
import { TrappedOffline, TrappedOnline } from "./trapped-stores.ts";

/** A gate armed with one point; `reached` resolves once somebody stands there. */
function gateAt(point: Point, store: "online" | "offline" = "online") {
  let tell: (where: string) => void = () => {};
  const reached = new Promise<string>((resolve) => {
    tell = resolve;
  });
  const gate = new TrapGate((_, where) => tell(where));
  gate.arm({ point, passes: 0, store });
  return { gate, reached };
}

function batchTo(topic: string) {
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.from("key"), Buffer.from("value"), 0);
  return { topic, partition: 0, batch: builder.build() };
}

/** Committed records of a topic after a worker was held in its transaction and came back. */
async function recordsAfterDeath(withoutTransactions: boolean): Promise<number> {
  const inner = await openEmbeddedBroker({ directory: null });
  try {
    await inner.createTopics([
      { name: "rows", partitions: 1, config: {} },
      { name: "changelog", partitions: 1, config: {} },
    ]);
    const { gate, reached } = gateAt("transaction");
    const broker = new TrappedBroker({
      inner,
      gate,
      isChangelog: (topic) => topic === "changelog",
      isOutput: (topic) => topic === "rows",
      sessionTimeoutMs: 10_000,
      withoutTransactions,
    });
    const dying = await broker.producer({ transactionalId: "worker" });
    dying.begin();
    void dying.send([batchTo("rows"), batchTo("changelog")]);
    await reached;
    // Held there for ever; its next process begins again.
    const next = await broker.producer({ transactionalId: "worker" });
    next.begin();
    await next.send([batchTo("rows"), batchTo("changelog")]);
    await next.commit();
    return await countCommitted(inner, "rows", 0);
  } finally {
    await inner.close();
  }
}

test("a worker that dies in its transaction leaves a row that counts only outside of it", async () => {
  assert.equal(await recordsAfterDeath(false), 1);
  assert.equal(await recordsAfterDeath(true), 2);
});

function flushAt(offset: number): OnlineFlush {
  const row = {
    served: 0,
    asOf: offset,
    seq: 0,
    validUntil: Number.NaN,
    values: new Float64Array(),
  };
  const rows = [{ entityKey: "ABQ", offset, row }];
  const rest = { nextOffset: offset + 1, progress: offset };
  return { view: "delays@1", topicId: "id", partition: 0, rows, ...rest };
}

/** What stands in the store when a held write goes on after a newer one of another worker. */
async function rowAfterLateWrite(withoutFence: boolean): Promise<number | undefined> {
  const inner = createMemoryOnlineStore();
  const { gate, reached } = gateAt("redis-batch");
  let wentOn = 0;
  const online = new TrappedOnline(inner, gate, { withoutFence, onWentOn: () => wentOn++ });
  const late = online.write(flushAt(1));
  assert.equal(await reached, "online delays@1/0");
  await inner.write(flushAt(2));
  gate.release();
  await late;
  assert.equal(wentOn, 1);
  const [entry] = await online.read([{ view: "delays@1", entityKey: "ABQ", partition: 0 }]);
  return entry?.row?.asOf;
}

test("a held write that goes on wins over a newer one only without the fence", async () => {
  assert.equal(await rowAfterLateWrite(false), 2);
  assert.equal(await rowAfterLateWrite(true), 1);
});

const table = { name: "t", columns: [{ name: "a", type: "String" }], orderBy: ["a"] } as const;

/** Rows in the table when a worker dies behind its write and the next one repeats it. */
async function rowsAfterRepeat(freshTokens: boolean): Promise<number> {
  const inner = createMemoryOfflineStore();
  await inner.migrate([table], []);
  const row = new ByteWriter(8);
  string(row, "x");
  const block = { table, rowBinary: row.take(), rows: 1, token: "t:id:0:0-1" };
  const { gate, reached } = gateAt("after-write", "offline");
  const offline = new TrappedOffline(inner, gate, { freshTokens });
  void offline.insert(block);
  await reached;
  await offline.insert(block);
  return inner.rows("t").length;
}

test("a repeated insert stores a block twice only with a fresh token", async () => {
  assert.equal(await rowsAfterRepeat(false), 1);
  assert.equal(await rowsAfterRepeat(true), 2);
});

test("an armed gate lets others pass: other points, other stores, and those before", async () => {
  const held: string[] = [];
  const gate = new TrapGate((point, where) => held.push(`${point} ${where}`));
  gate.arm({ point: "before-write", passes: 2, store: "online" });
  assert.equal(await gate.pass("after-write", "x", "online"), false);
  assert.equal(await gate.pass("before-write", "x", "offline"), false);
  assert.equal(await gate.pass("before-write", "first", "online"), false);
  assert.equal(await gate.pass("before-write", "second", "online"), false);
  const third = gate.pass("before-write", "third", "online");
  assert.deepEqual(held, ["before-write third"]);
  assert.equal(await gate.pass("before-write", "fourth", "online"), false);
  gate.release();
  assert.equal(await third, true);
});
