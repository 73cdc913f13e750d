import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findGo } from "./find-go.ts";

test("without a Go it says what to install", async () => {
  await assert.rejects(findGo(["/nonexistent"]), (error: Error & { code?: string }) => {
    assert.equal(error.code, "K6_MISSING_GO");
    assert.match(error.message, /apt-get install golang-go/);
    return true;
  });
});

test("the first Go that answers is taken, an old one is asked for the newer toolchain", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "millrace-find-go-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, "go");
  const answer = async (script: string) => {
    await writeFile(program, `#!/bin/sh\n${script}\n`);
    await chmod(program, 0o755);
  };
  await answer("echo go version go1.24.4 linux/amd64");
  assert.equal(await findGo(["/nonexistent", folder]), program);
  await answer(
    '[ "$1" = version ] && echo go version go1.19.8 linux/amd64 && exit; echo "no: $4" >&2; exit 1',
  );
  await assert.rejects(findGo([folder]), (error: Error & { code?: string }) => {
    assert.equal(error.code, "K6_BUILD_FAILED");
    assert.match(error.message, /no: golang.org\/toolchain@v0\.0\.1-go1\.26\.0\./);
    return true;
  });
});
