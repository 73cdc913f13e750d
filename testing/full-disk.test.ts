/** The files of a data directory, each on a disk that is full and then has room again. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { at, batchOf, open, values } from "../broker/embedded/log-fixture.ts";
import { writeWhole } from "../runtime/hosting/write-whole.ts";
import { openFileRegistry } from "../runtime/schema-registry/embedded.ts";
import { openArtifactStore } from "../runtime/services/train/artifacts.ts";
import { openDirectoryArtifacts } from "../sinks/artifacts/directory-artifacts.ts";
import { openChdb } from "../sinks/chdb/chdb.ts";
import { conformanceBlock, conformanceTable } from "../sinks/offline-conformance.ts";
import { arrival, departure } from "../topologies/flights/generated.ts";
import { requirement } from "./requirements-fixture.ts";
import { mountSmallDisk, type SmallDisk } from "./small-disk-fixture.ts";

const skip = requirement("mount");
const folder = mkdtempSync(join(tmpdir(), "millrace-full-disk-"));
let disk: SmallDisk;
before(() => {
  if (skip === false) disk = mountSmallDisk(join(folder, "disk"), 96);
});
after(() => {
  disk?.unmount();
  rmSync(folder, { recursive: true, force: true });
});

const full = { code: "STORAGE_FULL", message: /no space is left/ };
const on = (name: string) => join(disk.path, name);

test("the embedded log keeps what it acknowledged, and takes the rest once there is room", {
  skip,
}, async () => {
  const broker = await open({ directory: on("log") }, {}, 1);
  const producer = await broker.producer({ transactionalId: null });
  await producer.send([{ ...at, batch: batchOf("first") }]);
  disk.fill();
  const second = () => [{ ...at, batch: batchOf("x".repeat(100_000)) }];
  await assert.rejects(producer.send(second()), full);
  disk.free();
  await broker.close();
  const again = await openEmbeddedBroker({ directory: on("log") });
  const other = await again.producer({ transactionalId: null });
  await other.send(second());
  assert.deepEqual(await values(again), ["first", "x".repeat(100_000)]);
  await again.close();
});

test("the schemas have whole lines, and take the same one once there is room", {
  skip,
}, async () => {
  const path = on("schemas.ndjson");
  const registry = await openFileRegistry(path);
  const first = await registry.register("a-value", departure);
  disk.fill();
  // The rest of a page is room.
  const register = async () => {
    for (let i = 0; i < 100; i++) await registry.register(`b${i}-value`, arrival);
  };
  await assert.rejects(register(), full);
  disk.free();
  await register();
  await registry.close();
  const again = await openFileRegistry(path);
  assert.equal((await again.latest("a-value"))?.id, first);
  for (let i = 0; i < 100; i++) assert.equal((await again.latest(`b${i}-value`))?.id, first + 1);
  await again.close();
});

test("an artifact is there whole or not at all, in the own directory and in the shared one", {
  skip,
}, async () => {
  const bytes = Buffer.alloc(50_000, "model");
  const shared = openDirectoryArtifacts(on("shared"));
  const stores = [
    openArtifactStore(on("models")),
    openArtifactStore(join(folder, "models"), { shared, retryAfterMs: [60_000] }),
    openArtifactStore(on("cache"), { shared: openDirectoryArtifacts(join(folder, "shared")) }),
  ];
  for (const store of stores) {
    disk.fill();
    await assert.rejects(store.put(bytes), full);
    disk.free();
    assert.deepEqual(await store.get(await store.put(bytes)), bytes);
  }
});

test("a file that is written whole stays what it was", { skip }, async () => {
  const path = on("manifest.json");
  await writeWhole(path, "before");
  disk.fill();
  await assert.rejects(writeWhole(path, "after".repeat(10_000)), full);
  assert.equal(readFileSync(path, "utf8"), "before");
  disk.free();
  await writeWhole(path, "after");
  assert.equal(readFileSync(path, "utf8"), "after");
});

test("chDB tells it of its own files and of those that rows wait in, and has each row once", {
  skip,
}, async () => {
  for (const [directory, spoolDirectory] of [
    [on("chdb"), join(folder, "spool")],
    [join(folder, "chdb"), on("spool")],
  ] as const) {
    const store = await openChdb({ directory, spoolDirectory });
    await store.migrate([conformanceTable], []);
    const blocks = [conformanceBlock(0, 99), conformanceBlock(100, 50_099, "second")] as const;
    await store.insert(blocks[0]);
    disk.fill();
    await assert.rejects(store.insert(blocks[1]), full);
    if (directory === on("chdb")) {
      const table = { ...conformanceTable, name: "raw_others" };
      await assert.rejects(store.migrate([table], []), full);
    }
    disk.free();
    await store.insert(blocks[1]);
    await store.insert(blocks[1]);
    const [row] = await store.query(
      "SELECT count() AS n, uniqExact(offset) AS u FROM millrace.raw_things",
    );
    assert.deepEqual(row, { n: 50_100, u: 50_100 });
    await store.close();
  }
});
