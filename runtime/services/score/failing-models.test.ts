import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fitLogisticRegression } from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { sampleFeatures, sampleRows } from "../../../processors/train/sample-rows-fixture.ts";
import { type ArtifactStore, openArtifactStore } from "../train/artifacts.ts";
import { logisticRegressionGraph } from "../train/logistic-regression-graph.ts";

let directory: string;
let artifacts: ArtifactStore;
let sha256: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-failing-models-"));
  artifacts = openArtifactStore(join(directory, "models"));
  const rows = sampleRows(2_000, "failing");
  const preparation = fitPreparation(rows, new Set(["hour"]));
  const fitted = fitLogisticRegression(
    prepare(preparation, rows),
    rows.labels,
    preparation.columns,
  );
  sha256 = await artifacts.put(logisticRegressionGraph(sampleFeatures.length, preparation, fitted));
});
after(() => rm(directory, { recursive: true, force: true }));

const here = fileURLToPath(import.meta.url);
const poolUrl = new URL(`./scoring-pool${extname(here)}`, import.meta.url).href;
const onnxUrl = import.meta.resolve("onnxruntime-node");
const width = sampleFeatures.length;

/**
 * Loaded first in every thread: runs of the real onnxruntime whose rows begin with a number of
 * these throw, end the thread, or take all of its memory; the first run with 4 ends it, no other.
 */
const trap = (once: string) => `
import { existsSync, writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
if (!isMainThread) {
  const { InferenceSession } = await import(${JSON.stringify(onnxUrl)});
  const create = InferenceSession.create;
  InferenceSession.create = async (...args) => {
    const session = await create.apply(InferenceSession, args);
    const run = session.run.bind(session);
    session.run = async (feeds) => {
      const { data } = Object.values(feeds)[0];
      const rows = data.length / ${width};
      const first = Array.from({ length: rows }, (_, row) => data[row * ${width}]);
      if (first.includes(1)) throw new Error("the run threw");
      if (first.includes(2)) process.exit(7);
      if (first.includes(3)) for (const all = []; ; ) all.push(new Array(1e6).fill(all.length));
      if (first.includes(4) && !existsSync(${JSON.stringify(once)})) {
        writeFileSync(${JSON.stringify(once)}, "");
        process.exit(7);
      }
      return run(feeds);
    };
    return session;
  };
}
`;

const program = (folder: string, artifact: string) => `
import { createScoringPool } from ${JSON.stringify(poolUrl)};
const pool = createScoringPool({ artifacts: { directory: ${JSON.stringify(folder)} } });
const ask = async (first) => {
  const rows = new Float64Array(first.length * ${width});
  first.forEach((value, row) => { rows[row * ${width}] = value; });
  const { states, failure } = await pool.score({
    versions: ["v1"],
    artifacts: [${JSON.stringify(artifact)}],
    versionOf: new Uint16Array(first.length),
    rows,
    features: ${width},
    sourcePartitions: new Uint16Array(first.length),
    sourceOffsets: new Float64Array(first.length),
    putAside: [],
    asksNews: false,
    heard: 0,
    knownAt: 0,
  });
  return [[...states], failure];
};
const asks = JSON.parse(process.argv[2]);
for (const first of asks) console.log(JSON.stringify(await ask(first)));
await pool.close();
`;

/** What the rows get, by the first number of each, and why some got nothing. */
async function scored(
  name: string,
  asks: readonly (readonly number[])[],
): Promise<[number[], string | null][]> {
  const [first, main] = ["trap.mjs", "main.mjs"].map((file) => join(directory, `${name}-${file}`));
  await writeFile(first as string, trap(join(directory, `${name}-once`)));
  await writeFile(main as string, program(artifacts.directory, sha256));
  const options = { timeout: 120_000 };
  const args = ["--max-old-space-size=64", "--import", `${first}`, `${main}`, JSON.stringify(asks)];
  const { stdout } = await promisify(execFile)(process.execPath, args, options);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("of rows that a run throws at, those get no answer that fail alone, whatever their batch", async () => {
  const [mixed, good] = await scored("throws", [[0, 1, 0, 1, 0], [0]]);
  assert.deepEqual(mixed, [[0, 2, 0, 2, 0], "the run threw"]);
  assert.deepEqual(good, [[0], null]);
});

test("a thread that ends with rows in it is replaced, and they are scored by the next", async () => {
  assert.deepEqual(await scored("once", [[4, 0], [0]]), [
    [[0, 0], null],
    [[0], null],
  ]);
});

test("a model that ends its threads is given up after three, and the process goes on", async () => {
  const [lost, after] = await scored("exits", [[2], [0]]);
  assert.deepEqual(lost?.[0], [2]);
  assert.match(lost?.[1] ?? "", /its thread ended: .*7/);
  assert.deepEqual(after, lost, "it is not asked any more");
});

test("a model whose runs take all memory of their threads is given up alike", async () => {
  const [lost] = await scored("memory", [[3, 0]]);
  assert.deepEqual(lost?.[0], [2, 2]);
  assert.match(lost?.[1] ?? "", /memory/);
});
