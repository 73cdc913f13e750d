import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { DirectoryLock } from "../broker/embedded/directory-lock.ts";
import { holdDirectory } from "./hold-directory.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-hold-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Parts that note their names as they close; those named `bad…` then fail. */
function noting(closed: string[]) {
  return (name: string) => ({
    close: async () => {
      closed.push(name);
      if (name.startsWith("bad")) throw new Error(`${name} does not close`);
    },
  });
}

test("all parts are closed, the last one first, and the lock is let go though one fails", async () => {
  const closed: string[] = [];
  const part = noting(closed);
  const directory = join(folder, "close");
  const close = await holdDirectory(directory, true, async (keep, close) => {
    for (const name of ["first", "bad", "last"]) keep(part(name));
    return close;
  });
  assert.throws(() => DirectoryLock.checkFree(directory), { code: "DATA_LOCKED" });
  await assert.rejects(close(), /bad does not close/);
  assert.deepEqual(closed, ["last", "bad", "first"]);
  DirectoryLock.checkFree(directory);
});

test("what could not be opened is told, though something then does not close either", async () => {
  const closed: string[] = [];
  const part = noting(closed);
  const directory = join(folder, "open");
  const opening = holdDirectory(directory, true, async (keep) => {
    for (const name of ["first", "bad"]) keep(part(name));
    throw new Error("no server");
  });
  await assert.rejects(opening, /no server/);
  assert.deepEqual(closed, ["bad", "first"]);
  DirectoryLock.checkFree(directory);
});
