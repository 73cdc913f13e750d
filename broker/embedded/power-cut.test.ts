import assert from "node:assert/strict";
import {
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
import { at, batchOf, open, values } from "./log-fixture.ts";
import { type FaultHook, SimulatedCrash } from "./storage.ts";

const root = mkdtempSync(join(tmpdir(), "millrace-power-cut-"));
after(() => rmSync(root, { recursive: true }));

const markerBytes = 78;
const other = { ...at, partition: 1 };

function directory(): string {
  return mkdtempSync(join(root, "data-"));
}

/** The one segment file of a partition. */
function fileOf(data: string, { partition } = at): string {
  const folder = join(data, "topics", "t-0", String(partition));
  const [name = ""] = readdirSync(folder);
  return join(folder, name);
}

function cut(path: string, bytes: number): void {
  truncateSync(path, statSync(path).size - bytes);
}

/** Commits to one partition, then to the other, and dies. */
async function commitTwice(data: string): Promise<void> {
  let dying = false;
  const faults: FaultHook = () => {
    if (dying) throw new SimulatedCrash();
  };
  const broker = await open({ directory: data, fsync: "commit", faults }, {}, 2);
  const producer = await broker.producer({ transactionalId: "w" });
  for (const place of [at, other]) {
    producer.begin();
    await producer.send([{ ...place, batch: batchOf("committed") }]);
    await producer.commit();
  }
  dying = true;
  await assert.rejects(broker.producer({ transactionalId: "w" }), SimulatedCrash);
}

test("a marker that the power took is written again, of whichever decided transaction", async () => {
  const data = directory();
  await commitTwice(data);
  for (const place of [at, other]) cut(fileOf(data, place), markerBytes);
  const again = await open({ directory: data }, {}, 2);
  for (const place of [at, other]) assert.deepEqual(await values(again, 0, place), ["committed"]);
  await again.close();
});

test("a log that has lost committed records is refused, whichever commit they are of", async () => {
  for (const place of [at, other]) {
    const data = directory();
    await commitTwice(data);
    cut(fileOf(data, place), markerBytes + 1);
    await assert.rejects(open({ directory: data }, {}, 2), { code: "STORAGE_DAMAGED" });
  }
});

test("a log that is refused is left as it is, to be repaired from a copy", async () => {
  const data = directory();
  await commitTwice(data);
  const path = fileOf(data);
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  damaged[70] = (damaged[70] ?? 0) ^ 1;
  writeFileSync(path, damaged);
  await assert.rejects(open({ directory: data }, {}, 2), { code: "STORAGE_DAMAGED" });
  assert.deepEqual(readFileSync(path), damaged);
  writeFileSync(path, whole);
  const again = await open({ directory: data }, {}, 2);
  assert.deepEqual(await values(again), ["committed"]);
  await again.close();
});

test("a log that is shorter than its checkpoint says is looked through, and refused", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const producer = await broker.producer({ transactionalId: "w" });
  producer.begin();
  await producer.send([{ ...at, batch: batchOf("committed") }]);
  await producer.commit();
  await broker.close();
  const whole = readFileSync(fileOf(data));
  const path = fileOf(data);
  cut(path, markerBytes + 1);
  await assert.rejects(open({ directory: data }), { code: "STORAGE_DAMAGED" });
  rmSync(path);
  await assert.rejects(open({ directory: data }), { code: "STORAGE_DAMAGED" });
  writeFileSync(path, whole);
  const again = await open({ directory: data });
  assert.deepEqual(await values(again), ["committed"]);
  await again.close();
});

test("damage inside the journal is refused, and no topic is taken for an unknown one", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ ...at, batch: batchOf("a") }]);
  await broker.close();
  const whole = readFileSync(join(data, "journal"));
  const segment = fileOf(data);
  for (let byte = 0; byte < whole.length / 2; byte += 7) {
    const damaged = Buffer.from(whole);
    damaged[byte] = (damaged[byte] ?? 0) ^ 4;
    writeFileSync(join(data, "journal"), damaged);
    await assert.rejects(open({ directory: data }), { code: "STORAGE_DAMAGED" });
    assert.ok(statSync(segment).size > 0);
  }
  writeFileSync(join(data, "journal"), whole);
  const again = await open({ directory: data });
  assert.deepEqual(await values(again), ["a"]);
  await again.close();
});

test("a journal that has lost its topics is refused, and they are left as they are", async () => {
  const data = directory();
  const broker = await open({ directory: data });
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ ...at, batch: batchOf("a") }]);
  await broker.close();
  const segment = fileOf(data);
  const bytes = statSync(segment).size;
  for (const lose of [
    () => truncateSync(join(data, "journal")),
    () => rmSync(join(data, "journal")),
  ]) {
    lose();
    for (const readOnly of [true, false]) {
      const damaged = { code: "STORAGE_DAMAGED" };
      await assert.rejects(open({ directory: data, readOnly }), damaged);
    }
    assert.equal(statSync(segment).size, bytes);
  }
});

test("the journal is never rewritten between a decision and its markers", async () => {
  const data = directory();
  const config = { "segment.bytes": "1024", "retention.bytes": "1024" };
  let deciding = false;
  let armed = false;
  const faults: FaultHook = (point) => {
    if (point === "decision-write") deciding = true;
    if (point === "journal-rename") armed = deciding;
    if (point === "marker-write" && armed) throw new SimulatedCrash();
  };
  const broker = await open({ directory: data, faults }, config, 2);
  const producer = await broker.producer({ transactionalId: "w" });
  const metadata = "m".repeat(4000);
  let number = 0;
  try {
    for (; number < 1500; number++) {
      producer.begin();
      const batch = () => batchOf(`${number}`.padEnd(900));
      await producer.send([
        { ...at, batch: batch() },
        { ...other, batch: batch() },
      ]);
      await producer.sendOffsets("g", [{ ...at, offset: number, metadata }], null);
      await producer.commit();
      deciding = false;
    }
  } catch (error) {
    assert.ok((error as Error).cause instanceof SimulatedCrash, String(error));
  }
  if (!armed) await broker.close();
  const again = await open({ directory: data }, config, 2);
  const [committed] = await again.committed("g", [at]);
  for (const place of [at, other]) {
    const [from = 0] = await again.listOffsets([{ ...place, at: "earliest" }]);
    const found = await values(again, from, place);
    assert.equal(Number(found.at(-1)), committed?.offset, `partition ${place.partition}`);
  }
  await again.close();
});
