/** Threads that explain, and end before they have. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { packageRoot } from "../../../schemas/package-root.ts";
import { openArtifactStore } from "../train/artifacts.ts";

let directory: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-lost-explainer-"));
});
after(() => rm(directory, { recursive: true, force: true }));

const here = fileURLToPath(import.meta.url);
const service = new URL(`./explain-service${extname(here)}`, import.meta.url).href;

/**
 * Loaded first in every thread. As each of the first ends: as it starts, or at its rows.
 */
const gate = (started: string) => `
import { appendFileSync, readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
if (!isMainThread) {
  appendFileSync(${JSON.stringify(started)}, ".");
  const ends = { 1: "start", 2: "rows", 4: "rows", 5: "start", 6: "rows" };
  const end = ends[readFileSync(${JSON.stringify(started)}).length];
  if (end === "start") throw new Error("no room for a thread");
  if (end === "rows") Float64Array.prototype.subarray = () => process.exit(7);
}
`;

const program = (folder: string, sha256: string) => `
import { explaining } from ${JSON.stringify(service)};
const artifacts = { directory: ${JSON.stringify(folder)}, ensure: async () => {} };
const rows = Float64Array.of(1, 2, 3, 0, 1);
const features = ["a", "b", "c", "d", "e"];
const model = { versions: ["v1"], artifacts: [${JSON.stringify(sha256)}] };
const one = { ...model, versionOf: Uint16Array.of(0) };
const explain = async (scoringThreads) => {
  const opened = explaining.open({ artifacts, scoringThreads });
  const told = () =>
    opened
      .run({ ...one, rows, features, most: 2 })
      .then((bytes) => Buffer.from(bytes).toString("hex"), ({ code }) => code);
  return { told, close: () => opened.close() };
};
const [own, threads] = [await explain(0), await explain(1)];
const answers = [await own.told(), await threads.told()];
// The thread that answered ends in the next three's place.
const others = await explain(1);
answers.push(await others.told(), await others.told());
for (const each of [own, threads, others]) await each.close();
console.log(JSON.stringify(answers));
`;

test("rows whose thread ends are explained by the next; after three in a row that is an error", async () => {
  const started = join(directory, "started");
  const [first, main] = ["gate.mjs", "main.mjs"].map((name) => join(directory, name));
  const model = join(packageRoot(), "examples", "models", "fixtures", "xgboost.onnx");
  const sha256 = await openArtifactStore(directory).put(await readFile(model));
  await writeFile(first as string, gate(started));
  await writeFile(main as string, program(directory, sha256));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", `${first}`, `${main}`],
    { env: { PATH: process.env["PATH"] }, timeout: 60_000 },
  );
  const [own, again, lost, later] = JSON.parse(stdout) as string[];
  assert.match(own ?? "", /^[0-9a-f]{40,}$/);
  assert.equal(again, own, "the third thread explained, as the calling one does");
  assert.equal(lost, "SCORING_THREAD_LOST");
  assert.equal(later, own, "another was started for later rows");
  assert.equal((await readFile(started, "utf8")).length, 7, "threads that were started");
});
