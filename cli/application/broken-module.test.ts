import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { askMillraceIn, killStarted } from "../millrace-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-broken-"));
after(() => {
  killStarted();
  rmSync(folder, { recursive: true });
});

test("what is wrong with a module is said once, and its causes where they say more", async () => {
  writeFileSync(
    join(folder, "app.mjs"),
    'throw new Error("has 2 problems:\\n- one\\n- two", { cause: new Error("the deeper cause") });\n',
  );
  const { code, err } = await askMillraceIn({ cwd: folder }, "describe", "app.mjs");
  assert.equal(code, 2);
  assert.match(err, /^APPLICATION_UNREADABLE: .*has 2 problems:/);
  assert.equal(err.split("- two").length, 2, err);
  assert.match(err, /^ {2}because of the deeper cause$/m);
});
