import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { archiveFlags, classArchive } from "./class-archive.ts";
import { formatDirectory } from "./kafka-format.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-format-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const jars = join(folder, "jars");
mkdirSync(jars);
/** Runs nothing: whoever wants Kafka's command fails. */
const java = { executable: process.execPath, home: folder, version: 17 };

async function formatted(name: string, usual: boolean): Promise<string> {
  const directory = join(folder, name);
  mkdirSync(directory);
  await formatDirectory({ java, jars, nodeId: 1, directory, args: [], usual });
  assert.equal(readFileSync(join(directory, "data", "bootstrap.checkpoint"), "utf8"), "kept");
  return readFileSync(join(directory, "data", "meta.properties"), "utf8");
}

test("a usual node takes what the first of its kind was formatted with, under an id of its own", async () => {
  await assert.rejects(formatted("first", true), { code: "STACK_START_FAILED" });
  writeFileSync(join(jars, "bootstrap.checkpoint"), "kept");
  const pattern =
    /^version=1\ncluster\.id=bWlsbHJhY2Utc3RhY2stMQ\nnode\.id=1\ndirectory\.id=([\w-]{22})\n$/;
  const ids = [await formatted("second", true), await formatted("third", true)].map(
    (text) => pattern.exec(text)?.[1],
  );
  assert.ok(ids[0] !== undefined && ids[1] !== undefined && ids[0] !== ids[1], String(ids));
  await assert.rejects(formatted("unusual", false), { code: "STACK_START_FAILED" });
});

test("classes are taken from an archive of the very Java, where there is one", () => {
  assert.deepEqual(archiveFlags(java, jars), []);
  writeFileSync(classArchive(java, jars), "");
  assert.deepEqual(archiveFlags(java, jars), [`-XX:SharedArchiveFile=${classArchive(java, jars)}`]);
  writeFileSync(join(folder, "release"), 'JAVA_VERSION="17.0.15"');
  assert.deepEqual(archiveFlags(java, jars), [], "a newer Java writes its own");
});
