import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { at, batchOf, open, values } from "./log-fixture.ts";
import type { FaultHook, StoragePoint } from "./storage.ts";

const root = mkdtempSync(join(tmpdir(), "millrace-failures-"));
after(() => rmSync(root, { recursive: true }));

function directory(): string {
  return mkdtempSync(join(root, "data-"));
}

/** A disk that fails at one point while it is told to, after some calls that go well. */
function faultyDisk(code: string) {
  const disk = { failsAt: null as StoragePoint | null, callsBefore: 0 };
  const faults: FaultHook = (point) => {
    if (point !== disk.failsAt || disk.callsBefore-- > 0) return;
    throw Object.assign(new Error(`the disk says ${code}`), { code });
  };
  return { disk, faults };
}

test("a batch that was refused, or aborted, is appended when it is sent again", async () => {
  const { disk, faults } = faultyDisk("ENOSPC");
  const broker = await open({ directory: directory(), faults }, {}, 2);
  const producer = await broker.producer({ transactionalId: null });
  const refused = { ...at, batch: batchOf("refused") };
  disk.failsAt = "segment-write";
  await assert.rejects(producer.send([refused]), { code: "STORAGE_FULL" });
  disk.failsAt = null;
  await producer.send([{ ...at, batch: batchOf("between") }]);
  await producer.send([refused]);
  assert.deepEqual(await values(broker), ["between", "refused"]);
  const writer = await broker.producer({ transactionalId: "w" });
  const aborted = { ...at, batch: batchOf("aborted") };
  const other = { ...at, partition: 1, batch: batchOf("never there") };
  writer.begin();
  Object.assign(disk, { failsAt: "segment-write", callsBefore: 1 });
  await assert.rejects(writer.send([aborted, other]), { code: "STORAGE_FULL" });
  disk.failsAt = null;
  await writer.abort();
  writer.begin();
  await writer.send([aborted]);
  await writer.commit();
  assert.deepEqual(await values(broker), ["between", "refused", "aborted"]);
  await broker.close();
});

test("a successor that cannot be written down ends nothing of its predecessor", async () => {
  const { disk, faults } = faultyDisk("ENOSPC");
  const broker = await open({ directory: directory(), faults });
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  await producer.send([{ ...at, batch: batchOf("first") }]);
  disk.failsAt = "journal-write";
  await assert.rejects(broker.producer({ transactionalId: "w" }), { code: "STORAGE_FULL" });
  disk.failsAt = null;
  await producer.send([{ ...at, batch: batchOf("second") }]);
  await producer.commit();
  assert.deepEqual(await values(broker), ["first", "second"]);
  await broker.close();
});

test("behind a flush that failed nothing is written, and what was decided is finished", async () => {
  const data = directory();
  const { disk, faults } = faultyDisk("EIO");
  let decided = false;
  const broker = await open({
    directory: data,
    fsync: "commit",
    faults: (point, sizeBytes) => {
      if (point === "decision-write") decided = true;
      if (decided) faults(point, sizeBytes);
    },
  });
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  await producer.send([{ ...at, batch: batchOf("a") }]);
  await producer.sendOffsets("g", [{ ...at, offset: 7 }], null);
  disk.failsAt = "flush";
  await assert.rejects(producer.commit(), { code: "STORAGE_FAILED" });
  disk.failsAt = null;
  await assert.rejects(broker.producer({ transactionalId: "w" }), { code: "STORAGE_FAILED" });
  await broker.close();
  const again = await open({ directory: data });
  const [committed] = await again.committed("g", [at]);
  assert.deepEqual([committed?.offset, await values(again)], [7, ["a"]]);
  await again.close();
});

test("a checkpoint that cannot be written leaves no lock behind, and costs nothing", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ ...at, batch: batchOf("a") }]);
  mkdirSync(join(data, "checkpoint.new"));
  await broker.close();
  rmSync(join(data, "checkpoint.new"), { recursive: true });
  const again = await open({ directory: data });
  assert.deepEqual(await values(again), ["a"]);
  await again.close();
});

test("a lock that a power cut left without its text holds nothing", async () => {
  const data = directory();
  writeFileSync(join(data, "lock"), "");
  await (await open({ directory: data })).close();
});

test("an error says which producer it is about, also where it has no transactional id", async () => {
  const broker = await open({ directory: null });
  const producer = await broker.producer({ transactionalId: null });
  assert.throws(
    () => producer.begin(),
    (error: Error) => !error.message.includes("{"),
  );
  await producer.close();
  await assert.rejects(producer.send([]), (error: Error) => !error.message.includes("{"));
  await broker.close();
});
