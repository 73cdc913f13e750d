import assert from "node:assert/strict";
import { cpSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openEmbeddedStack } from "./embedded-stack.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-parts-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A data directory of which every part has been made. */
async function made(name: string): Promise<string> {
  const directory = join(folder, name);
  const stack = await openEmbeddedStack({ directory });
  await stack.registry.register("a-value", { type: "record", name: "A", fields: [] });
  await stack.close();
  return directory;
}

test("parts of a data directory that do not belong together are refused at the start", async () => {
  const directory = await made("one");
  const [log, kept] = [join(directory, "log"), join(folder, "kept")];
  const refused = (part: string, what: RegExp) =>
    assert.rejects(openEmbeddedStack({ directory }), (error: Error & { code?: string }) => {
      assert.equal(error.code, "DATA_PARTS");
      assert.match(error.message, what);
      return error.message.includes(part);
    });
  renameSync(log, kept);
  await refused("log", /is missing/);
  cpSync(join(await made("other"), "log"), log, { recursive: true });
  await refused("log", /of another data directory/);
  rmSync(log, { recursive: true });
  renameSync(kept, log);
  const schemas = join(directory, "schemas.ndjson");
  renameSync(schemas, kept);
  await refused("schemas.ndjson", /is missing/);
  renameSync(kept, schemas);
  await (await openEmbeddedStack({ directory })).close();
});

test("the online store may be lost: it is filled again from the log", async () => {
  const directory = await made("online");
  rmSync(join(directory, "online"), { recursive: true });
  await (await openEmbeddedStack({ directory })).close();
});
