import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { arrival, departure } from "../../topologies/flights/generated.ts";
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

test("a refused schema names the field that cannot be read", async () => {
  const registry = createMemoryRegistry();
  await registry.register("d-value", departure);
  const added = { name: "gate", type: "string" };
  await assert.rejects(
    registry.register("d-value", { ...departure, fields: [...departure.fields, added] }),
    { code: "SCHEMA_INCOMPATIBLE", message: /"d-value".*"gate".*no default/s },
  );
  const retyped = departure.fields.map((field) =>
    field.name === "origin" ? { name: "origin", type: "double" } : field,
  );
  await assert.rejects(registry.register("d-value", { ...departure, fields: retyped }), {
    code: "SCHEMA_INCOMPATIBLE",
    message: /field "origin"/,
  });
  await assert.rejects(
    registry.register("e-value", { type: "record", name: "E", fields: [{ name: "x", type: "y" }] }),
    { code: "SCHEMA_INVALID" },
  );
});
