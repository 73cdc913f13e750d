import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-lost-thread-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const here = fileURLToPath(import.meta.url);
const poolUrl = new URL(`./scoring-pool${extname(here)}`, import.meta.url).href;

/** Loaded first in every thread: while the file `closed` is there, no thread but ours starts. */
const gate = (closed: string) => `
import { existsSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
if (!isMainThread && existsSync(${JSON.stringify(closed)})) throw new Error("no room for a thread");
`;

const program = (folder: string, closed: string) => `
import { rmSync } from "node:fs";
import { createScoringPool } from ${JSON.stringify(poolUrl)};
const pool = createScoringPool({ artifacts: { directory: ${JSON.stringify(folder)} } });
const work = (rows) => ({
  versions: ["v1"],
  artifacts: ["0".repeat(64)],
  versionOf: new Uint16Array(rows),
  rows: new Float64Array(rows),
  features: 1,
  sourcePartitions: new Uint16Array(rows),
  sourceOffsets: new Float64Array(rows),
  putAside: [],
    asksNews: false,
    heard: 0,
    knownAt: 0,
});
const failure = (rows) => pool.score(work(rows)).catch(({ code, message }) => [code, message]);
console.log(JSON.stringify(await Promise.all([failure(2000), failure(1), failure(2000)])));
rmSync(${JSON.stringify(closed)});
console.log(JSON.stringify(await failure(2000)));
await pool.close();
`;

test("rows whose thread cannot start are refused, and another is started for later ones", async () => {
  const closed = join(directory, "closed");
  const [first, main] = ["gate.mjs", "main.mjs"].map((name) => join(directory, name));
  await writeFile(closed, "");
  await writeFile(first as string, gate(closed));
  await writeFile(main as string, program(directory, closed));
  const run = promisify(execFile)(process.execPath, ["--import", `${first}`, `${main}`], {
    timeout: 60_000,
  });
  const [lost, later] = (await run).stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  for (const [code, message] of lost) {
    assert.equal(code, "SCORING_THREAD_LOST");
    assert.match(message, /no room for a thread/);
  }
  assert.equal(lost.length, 3);
  assert.equal(later[0], "ARTIFACT_MISSING", "the new thread looked for the model");
});
