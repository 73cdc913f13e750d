import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { arrival, departure } from "../../schemas/generated.ts";
import { registryConformance } from "./conformance.ts";
import { createMemoryRegistry, openFileRegistry } from "./embedded.ts";

const directory = await mkdtemp(join(tmpdir(), "millrace-registry-"));
after(() => rm(directory, { recursive: true }));

registryConformance("memory", async () => createMemoryRegistry());
registryConformance("file", () => openFileRegistry(join(directory, "conformance.ndjson")));

test("registrations outlive the process, a torn line at the end does not harm", async () => {
  const path = join(directory, "torn.ndjson");
  const registry = await openFileRegistry(path);
  const id = await registry.register("a-value", departure);
  await registry.close();
  await appendFile(path, '{"subject":"b-value","id":2,"sch');
  const again = await openFileRegistry(path);
  assert.equal(await again.register("a-value", departure), id);
  assert.equal(await again.register("b-value", arrival), id + 1);
  await again.close();
  const third = await openFileRegistry(path);
  assert.equal((await third.latest("b-value"))?.id, id + 1);
  await third.close();
});

test("equal schemas registered at once get one id", async () => {
  const registry = createMemoryRegistry();
  const ids = await Promise.all(
    ["a-value", "b-value", "a-value"].map((subject) => registry.register(subject, departure)),
  );
  assert.equal(new Set(ids).size, 1);
});
