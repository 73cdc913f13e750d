import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { resolveConfig } from "../../runtime/config.ts";
import { dataFormat } from "../../runtime/hosting/data-directory.ts";
import { prepareData } from "./fresh.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-fresh-"));
after(() => rmSync(folder, { recursive: true }));

const manifest = JSON.stringify({ format: dataFormat, plan: "flights" });
/** What killed runs leave besides their data. */
const leftovers = { "run.json.tmp": "", "live.json": "", "lock.stale.1": "", "reread-a1": "" };

/** A directory with these files, by name, and what a start in it comes to. */
function start(name: string, files: Readonly<Record<string, string>>, fresh: boolean) {
  const data = join(folder, name);
  mkdirSync(data);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(data, file), text);
  const { config } = resolveConfig({ flags: { data, fresh }, env: {}, file: "none" });
  return { data, started: prepareData(config) };
}

test("no run begins in a directory of other files: a later --fresh would delete them", async () => {
  const { data, started } = start("home", { "thesis.txt": "years of work" }, false);
  await assert.rejects(started, { code: "DATA_FOREIGN" });
  assert.deepEqual(readdirSync(data), ["thesis.txt"]);
});

test("--fresh deletes no file that came into a run's directory", async () => {
  const files = { "millrace.json": manifest, "thesis.txt": "years of work", ...leftovers };
  const { data, started } = start("shared", files, true);
  await assert.rejects(started, { code: "DATA_FOREIGN" });
  assert.deepEqual(readdirSync(data).sort(), Object.keys(files).sort());
});

test("a run goes on beside a file that came into its directory", async () => {
  const files = { "millrace.json": manifest, "summary.json": "{}" };
  await start("summary", files, false).started;
});

test("--fresh removes whatever a run leaves, also one that was killed", async () => {
  const { data, started } = start("left", { "millrace.json": manifest, ...leftovers }, true);
  await started;
  assert.equal(existsSync(data), false);
});

test("what another build left is never gone on with, and --fresh empties it", async () => {
  for (const [name, format] of [
    ["earlier", dataFormat - 1],
    ["later", dataFormat + 1],
  ] as const) {
    const files = { "millrace.json": JSON.stringify({ format, plan: "flights" }), ...leftovers };
    await assert.rejects(start(name, files, false).started, {
      code: "DATA_FORMAT",
      message: /Start over with --fresh/,
    });
    const { data, started } = start(`${name}-fresh`, files, true);
    await started;
    assert.equal(existsSync(data), false);
  }
});

test("a start that was killed before it wrote its manifest is gone on with, and made fresh", async () => {
  await start("begun", { "schemas.ndjson": "" }, false).started;
  const { data, started } = start("begun-fresh", { "schemas.ndjson": "" }, true);
  await started;
  assert.equal(existsSync(data), false);
});

test("a directory that does not exist, or is empty, is begun in", async () => {
  await start("empty", {}, false).started;
  const data = join(folder, "nowhere");
  for (const fresh of [false, true]) {
    await prepareData(resolveConfig({ flags: { data, fresh }, env: {}, file: "none" }).config);
  }
});
