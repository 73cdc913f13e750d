import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ownDirectory } from "./own-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-own-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function directoryOf(mode: number, ...files: string[]): string {
  const directory = mkdtempSync(join(folder, "data-"));
  for (const file of files) writeFileSync(join(directory, file), "");
  chmodSync(directory, mode);
  return directory;
}

test("a directory is made for its owner alone, and an own one that others read is made so", () => {
  const made = join(folder, "a", "b");
  const readable = directoryOf(0o755, "file");
  const open = directoryOf(0o777);
  for (const directory of [made, readable, open]) {
    ownDirectory(directory);
    assert.equal(statSync(directory).mode & 0o777, 0o700);
  }
});

test("a directory that others may write is refused once something stands in it", () => {
  for (const mode of [0o777, 0o770, 0o1777, 0o722]) {
    const directory = directoryOf(mode, "planted");
    const refused = { code: "DATA_UNSAFE", message: /can be written by others/ };
    assert.throws(() => ownDirectory(directory), refused);
    assert.equal(statSync(directory).mode & 0o1777, mode);
  }
});

test("a directory of another user is refused", {
  skip: process.getuid?.() === 0 ? false : "only root can give a directory away",
}, async () => {
  const { chownSync } = await import("node:fs");
  const directory = join(folder, "theirs");
  mkdirSync(directory, { mode: 0o700 });
  chownSync(directory, 12_345, 12_345);
  assert.throws(() => ownDirectory(directory), { code: "DATA_UNSAFE", message: /user 12345/ });
});
