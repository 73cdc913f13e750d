import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openEmbeddedBroker } from "./embedded-broker.ts";
import { at, batchOf, open, values } from "./log-fixture.ts";
import { ProducerSequences } from "./producer-sequences.ts";
import { type FaultHook, SimulatedCrash } from "./storage.ts";

const root = mkdtempSync(join(tmpdir(), "millrace-storage-"));
after(() => rmSync(root, { recursive: true }));

function directory(): string {
  return mkdtempSync(join(root, "data-"));
}

const segmentsOf = (data: string) =>
  readdirSync(join(data, "topics", "t-0", "0")).filter((name) => name.endsWith(".log"));

test("what was written is there when the directory is opened again", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const [before] = await broker.describeTopics();
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  await producer.send([{ ...at, batch: batchOf("a", "b") }]);
  await producer.sendOffsets("g", [{ ...at, offset: 7, metadata: "m" }], null);
  await producer.commit();
  const member = await broker.join({
    group: "g",
    metadata: Buffer.alloc(0),
    assign: () => new Map(),
  });
  await member.leave();
  await broker.close();
  const again = await open({ directory: data });
  assert.deepEqual(await again.describeTopics(), [before]);
  assert.deepEqual(await values(again), ["a", "b"]);
  assert.deepEqual(await again.committed("g", [at]), [{ ...at, offset: 7, metadata: "m" }]);
  const next = await again.producer({ transactionalId: "w" });
  assert.deepEqual([next.producerId, next.epoch], [producer.producerId, producer.epoch + 1]);
  const other = await again.producer({ transactionalId: null });
  assert.ok(other.producerId > producer.producerId, "producer ids are never used again");
  const rejoined = await again.join({
    group: "g",
    metadata: Buffer.alloc(0),
    assign: () => new Map(),
  });
  assert.ok(rejoined.identity.generation > member.identity.generation);
  await again.close();
});

test("files and folders are the owner's alone", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ ...at, batch: batchOf("a") }]);
  await broker.close();
  for (const entry of readdirSync(data, { recursive: true, withFileTypes: true })) {
    const { mode } = statSync(join(entry.parentPath, entry.name));
    assert.equal(mode & 0o077, 0, entry.name);
  }
});

test("a directory in use is refused by the number of its process, in whatever way", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const locked = { code: "DATA_LOCKED", context: { directory: data, pid: process.pid } };
  await assert.rejects(open({ directory: data }), locked);
  await assert.rejects(open({ directory: data, readOnly: true }), locked);
  await broker.close();
  await (await open({ directory: data })).close();
  assert.deepEqual(
    readdirSync(data).filter((name) => name.startsWith("lock")),
    [],
  );
});

test("the lock of a process that is gone, or whose number is used again, is taken over", async () => {
  const data = directory();
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  const gone = { pid, started: null, boot: null, token: "gone" };
  writeFileSync(join(data, "lock"), JSON.stringify(gone));
  await (await open({ directory: data })).close();
  if (process.platform !== "linux") return;
  const reused = { pid: process.pid, started: "1", boot: null, token: "reused" };
  writeFileSync(join(data, "lock"), JSON.stringify(reused));
  await (await open({ directory: data })).close();
  const otherBoot = { pid: process.pid, started: null, boot: "another", token: "boot" };
  writeFileSync(join(data, "lock"), JSON.stringify(otherBoot));
  await (await open({ directory: data })).close();
});

test("reading alone shows what a repair would, and changes no file", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  await producer.send([{ ...at, batch: batchOf("committed") }]);
  await producer.commit();
  await broker.close();
  const dying = await open({ directory: data, faults: dieAt("decision-write") });
  const second = await dying.producer({ transactionalId: "w" });
  second.begin();
  await second.send([{ ...at, batch: batchOf("undecided") }]);
  await assert.rejects(second.commit());
  const contents = () =>
    readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name)).toString("hex"));
  const before = contents();
  const reading = await open({ directory: data, readOnly: true });
  assert.deepEqual(await values(reading), ["committed"]);
  await assert.rejects(reading.producer({ transactionalId: "w" }), { code: "DATA_READ_ONLY" });
  await assert.rejects(reading.deleteTopics(["t"]), { code: "DATA_READ_ONLY" });
  await reading.close();
  assert.deepEqual(contents(), before);
});

test("deleted records free their files, all of them too", async () => {
  const data = directory();
  const broker = await open({ directory: data, segmentBytes: 2000 });
  const producer = await broker.producer({ transactionalId: null });
  for (let n = 0; n < 50; n++) {
    await producer.send([{ ...at, batch: batchOf("x".repeat(200)) }]);
  }
  const all = segmentsOf(data).length;
  assert.ok(all > 4);
  await broker.deleteRecords([{ ...at, offset: 45 }]);
  assert.ok(segmentsOf(data).length <= 2);
  await broker.close();
  const again = await open({ directory: data, segmentBytes: 2000 });
  assert.deepEqual(await again.listOffsets([{ ...at, at: "earliest" }]), [45]);
  assert.equal((await values(again, 45)).length, 5);
  const writer = await again.producer({ transactionalId: null });
  await writer.send([{ ...at, batch: batchOf("y".repeat(100_000)) }]);
  await again.deleteRecords([{ ...at, offset: -1 }]);
  assert.deepEqual(segmentsOf(data), []);
  await again.close();
  const empty = await open({ directory: data });
  assert.deepEqual(await empty.listOffsets([{ ...at, at: "latest" }]), [51]);
  await empty.close();
});

test("retention.bytes bounds a topic, in whole segments", async () => {
  for (const where of [null, directory()]) {
    const config = { "retention.bytes": "20000", "segment.bytes": "5000" };
    const broker = await open({ directory: where }, config);
    const producer = await broker.producer({ transactionalId: null });
    for (let n = 0; n < (where === null ? 3000 : 300); n++) {
      await producer.send([{ ...at, batch: batchOf("x".repeat(1000)) }]);
    }
    const [earliest = 0] = await broker.listOffsets([{ ...at, at: "earliest" }]);
    assert.ok(earliest > 0);
    assert.ok(broker.stats().logBytes < (where === null ? 2_200_000 : 30_000));
    await broker.close();
  }
});

test("a compacted topic is compacted by itself before it outgrows its keys", async () => {
  for (const where of [null, directory()]) {
    const broker = await open({ directory: where }, { "cleanup.policy": "compact" });
    const producer = await broker.producer({ transactionalId: null });
    for (let n = 0; n < 800; n++) {
      await producer.send([{ ...at, batch: batchOf(`${n}`.padEnd(10_000)) }]);
    }
    assert.ok(broker.stats().appendedBytes > 8_000_000);
    assert.ok(broker.stats().logBytes < 3_000_000, `${broker.stats().logBytes}`);
    assert.equal((await values(broker)).at(-1)?.trim(), "799");
    await broker.close();
  }
});

test("settings that the log cannot keep are refused, not ignored", async () => {
  const broker = await openEmbeddedBroker({ directory: null });
  const create = (name: string, config: Record<string, string>, partitions = 1) =>
    broker.createTopics([{ name, partitions, config }]);
  const invalid = { code: "TOPIC_INVALID" };
  await assert.rejects(create("t", { "retention.ms": "1000" }), invalid);
  await assert.rejects(create("t", { "retention.mss": "-1" }), invalid);
  await assert.rejects(create("t", { "max.message.bytes": "lots" }), invalid);
  await assert.rejects(create("t", { "cleanup.policy": "shrink" }), invalid);
  await assert.rejects(create("a/b", {}), invalid);
  await assert.rejects(create("t", {}, 0), invalid);
  assert.deepEqual(await broker.describeTopics(), []);
  await broker.close();
});

test("damage inside the log is found, a torn end is cut off", async () => {
  const data = directory();
  const broker = await open({ directory: data, segmentBytes: 1000 });
  const producer = await broker.producer({ transactionalId: null });
  for (let n = 0; n < 9; n++) await producer.send([{ ...at, batch: batchOf("x".repeat(300)) }]);
  await broker.close();
  const files = segmentsOf(data).map((name) => join(data, "topics", "t-0", "0", name));
  const last = files.at(-1) ?? "";
  rmSync(join(data, "checkpoint"));
  truncateSync(last, statSync(last).size - 5);
  const torn = await open({ directory: data, segmentBytes: 1000 });
  assert.equal((await values(torn)).length, 8);
  await torn.close();
  const first = readFileSync(files[0] ?? "");
  first[first.length - 20] = (first[first.length - 20] ?? 0) ^ 1;
  writeFileSync(files[0] ?? "", first);
  const damaged = await open({ directory: data, segmentBytes: 1000 });
  await assert.rejects(values(damaged), { code: "STORAGE_DAMAGED" });
  await damaged.close();
  rmSync(join(data, "checkpoint"));
  await assert.rejects(open({ directory: data, segmentBytes: 1000 }), { code: "STORAGE_DAMAGED" });
  assert.deepEqual(
    readdirSync(data).filter((name) => name.startsWith("lock")),
    [],
    "a failed open leaves no lock",
  );
});

test("a journal is read up to its last whole entry, whatever stands behind it", async () => {
  const tails = [Buffer.alloc(100), Buffer.from("07000000deadbeef7b7d7b7d7b7d7b", "hex")];
  for (const tail of tails) {
    const data = directory();
    await (await open({ directory: data })).close();
    appendFileSync(join(data, "journal"), tail);
    const broker = await open({ directory: data });
    await broker.commitOffsets("g", [{ ...at, offset: 3 }], null);
    await broker.close();
    const again = await open({ directory: data });
    assert.equal((await again.committed("g", [at]))[0]?.offset, 3);
    await again.close();
  }
});

test("a segment that could not be begun does not take a later one with it", async () => {
  let full = false;
  const data = directory();
  const faults: FaultHook = (point) => {
    if (full && point === "segment-write") {
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    }
  };
  const config = { "cleanup.policy": "compact", "segment.bytes": "1024" };
  const broker = await open({ directory: data, faults }, config);
  const held = await broker.producer({ transactionalId: "open" });
  const producer = await broker.producer({ transactionalId: null });
  held.begin();
  await held.send([{ ...at, batch: batchOf("x".repeat(600)) }]);
  full = true;
  const last = { ...at, batch: batchOf("y".repeat(600)) };
  await assert.rejects(producer.send([last]), { code: "STORAGE_FULL" });
  full = false;
  broker.compact();
  await producer.send([last]);
  await held.abort();
  held.begin();
  await held.send([{ ...at, batch: batchOf("z") }]);
  broker.compact();
  await held.abort();
  assert.deepEqual(await values(broker), ["y".repeat(600)]);
  await broker.close();
  const again = await open({ directory: data }, config);
  assert.deepEqual(await values(again), ["y".repeat(600)]);
  await again.close();
});

test("a send that failed half-way may be sent again: nothing stands twice", async () => {
  const data = directory();
  let full = false;
  let writes = 0;
  const broker = await openEmbeddedBroker({
    directory: data,
    faults: (point) => {
      if (full && point === "segment-write" && ++writes > 1) {
        throw Object.assign(new Error("no space"), { code: "ENOSPC" });
      }
    },
  });
  await broker.createTopics([{ name: "t", partitions: 2, config: {} }]);
  const producer = await broker.producer({ transactionalId: null });
  const send = [
    { ...at, batch: batchOf("left") },
    { ...at, partition: 1, batch: batchOf("right") },
  ];
  full = true;
  await assert.rejects(producer.send(send), { code: "STORAGE_FULL" });
  full = false;
  assert.deepEqual(await producer.send(send), [0, 0]);
  assert.deepEqual(await producer.send(send), [1, 1], "sent again on purpose it is another one");
  assert.deepEqual(await values(broker), ["left", "left"]);
  await broker.close();
});

test("sequence numbers answer repeated batches and refuse gaps", () => {
  const sequences = new ProducerSequences();
  assert.equal(sequences.check(at, 1, 0, 0), null);
  sequences.taken(1, 0, 0, 10, 100);
  assert.equal(sequences.check(at, 1, 0, 10), null);
  sequences.taken(1, 0, 10, 5, 110);
  assert.equal(sequences.check(at, 1, 0, 0), 100);
  assert.equal(sequences.check(at, 1, 0, 10), 110);
  assert.throws(() => sequences.check(at, 1, 0, 16), { code: "SEQUENCE_GAP" });
  assert.throws(() => sequences.check(at, 1, 0, 5), { code: "SEQUENCE_GAP" });
  assert.equal(sequences.check(at, 1, 1, 0), null, "another epoch begins anew");
  sequences.forget(1);
  assert.equal(sequences.check(at, 1, 0, 0), null);
});

function dieAt(point: string): FaultHook {
  return (reached) => {
    if (reached === point) throw new SimulatedCrash();
  };
}
