import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { writeWhole } from "./write-whole.ts";

test("a link where the temporary file or the file is to be leads nowhere", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millrace-whole-"));
  const [path, victim] = [join(folder, "run.json"), join(folder, "victim")];
  await writeFile(victim, "untouched");
  await symlink(victim, path);
  await symlink(victim, `${path}.tmp`);
  await writeWhole(path, "written");
  assert.equal(await readFile(victim, "utf8"), "untouched");
  assert.equal(await readFile(path, "utf8"), "written");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFile(`${path}.tmp`, "left by a process that was killed");
  await writeWhole(path, "again");
  assert.equal(await readFile(path, "utf8"), "again");
  await rm(folder, { recursive: true });
});
