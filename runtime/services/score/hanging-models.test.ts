/** Models whose run of onnxruntime never ends: real ones, in processes of their own. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { rowStates, type ScoreWork } from "../../../processors/scoring/score-work.ts";
import { fitLogisticRegression } from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { sampleFeatures, sampleRows } from "../../../processors/train/sample-rows-fixture.ts";
import { checkInProcess } from "../models/check-in-process.ts";
import { type ArtifactStore, openArtifactStore } from "../train/artifacts.ts";
import { logisticRegressionGraph } from "../train/logistic-regression-graph.ts";
import { hangingModel } from "./hanging-model-fixture.ts";
import { createScoringPool } from "./scoring-pool.ts";
import type { ScoringPoolOptions } from "./scoring-pool-options.ts";

const { length: width } = sampleFeatures;
const { answered, failed } = rowStates;
/** Of a run, ms: runs that end take less than one. */
const runMs = 1_000;
/** Of a test: what waits for a run that hangs would wait for good. */
const timeout = 120_000;

let directory: string;
let artifacts: ArtifactStore;
let hanging: string;
let other: string;
let plain: string;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-hanging-"));
  artifacts = openArtifactStore(join(directory, "models"));
  hanging = await artifacts.put(hangingModel({ features: width }));
  other = await artifacts.put(hangingModel({ features: width, above: 1 }));
  const rows = sampleRows(500, "plain");
  const preparation = fitPreparation(rows, new Set(["hour"]));
  const design = prepare(preparation, rows);
  const fitted = fitLogisticRegression(design, rows.labels, preparation.columns);
  plain = await artifacts.put(logisticRegressionGraph(width, preparation, fitted));
});
after(() => rm(directory, { recursive: true, force: true }));

/** Rows of one model, by what it hangs at. */
function work(artifact: string, at: readonly number[]): ScoreWork {
  const rows = new Float64Array(at.length * width);
  for (const [row, each] of at.entries()) {
    rows[row * width] = (row % 8) / 8;
    rows[(row + 1) * width - 1] = each;
  }
  return {
    ...{ versions: ["v1"], artifacts: [artifact], versionOf: new Uint16Array(at.length) },
    ...{ rows, features: width, putAside: [], asksNews: false, heard: 0, knownAt: 0 },
    sourcePartitions: new Uint16Array(at.length),
    sourceOffsets: Float64Array.from(at, (_, row) => row),
  };
}

function pool(options: Partial<ScoringPoolOptions> = {}) {
  const hung: string[] = [];
  const opened = createScoringPool({
    ...{ artifacts, runMs, hung: (artifact: string) => void hung.push(artifact) },
    ...options,
  });
  return { pool: opened, hung };
}

test("a model that hangs at certain rows passes the check of a registration", {
  timeout,
}, async () => {
  const file = join(directory, "hanging.onnx");
  await writeFile(file, hangingModel({ features: width }));
  const { rows } = work("", [0, 0, 0, 0]);
  const declaration = { features: sampleFeatures };
  const scores = Float64Array.of(0, 1 / 8, 2 / 8, 3 / 8);
  const request = { file, declaration, rows, scores, tolerance: 0, limitMs: 1_000 };
  const { reading, notNative } = await checkInProcess(request);
  assert.equal(reading.alone, false);
  assert.match(notNative ?? "", /is not computed here/);
});

test("of a batch with rows that a model hangs at those fail alone, and others are scored meanwhile", {
  timeout,
}, async () => {
  for (const threads of [1, 0]) {
    const { pool: scoring, hung } = pool({ threads });
    assert.deepEqual(
      [...(await scoring.score(work(hanging, [0, 0]))).states],
      [answered, answered],
    );
    let isOver = false;
    const mixed = scoring.score(work(hanging, [0, 1, 0])).finally(() => {
      isOver = true;
    });
    for (const artifact of [plain, other]) {
      const { states } = await scoring.score(work(artifact, [0, 0.5]));
      assert.deepEqual([[...states], isOver], [[answered, answered], false], "meanwhile");
    }
    const { states, probabilities, failure } = await mixed;
    assert.deepEqual([...states], [answered, failed, answered]);
    assert.deepEqual([...probabilities], [0, Number.NaN, 2 / 8]);
    assert.match(failure ?? "", /^it hangs: a run of it took longer than 1 s$/);
    assert.deepEqual(hung, [hanging, hanging], "the batch, and the row alone");
    assert.equal(scoring.rowsInFlight, 0);
    await scoring.close();
  }
});

test("in a replay every row is asked for, however many a model hung at before it", {
  timeout,
}, async () => {
  const { pool: scoring, hung } = pool({ runMs });
  for (let times = 0; times < 4; times++) {
    assert.deepEqual([...(await scoring.score(work(hanging, [1]))).states], [failed]);
  }
  assert.deepEqual([...(await scoring.score(work(hanging, [0]))).states], [answered]);
  assert.equal(hung.length, 4);
  await scoring.close();
});

test("in live mode a model that hung three times is asked no more", { timeout }, async () => {
  const { pool: scoring, hung } = pool({ runMs, givesUp: true });
  await scoring.score(work(hanging, [1, 1, 1]));
  assert.equal(hung.length, 3);
  const { states, failure } = await scoring.score(work(hanging, [0, 0]));
  assert.deepEqual([...states], [failed, failed]);
  assert.match(failure ?? "", /it hangs/);
  assert.deepEqual([...(await scoring.score(work(other, [0]))).states], [answered]);
  await scoring.close();
  assert.equal(hung.length, 3);
});

test("who gives a run up that hangs is free at once, and a pool ends that is closed meanwhile", {
  timeout,
}, async () => {
  const { pool: scoring, hung } = pool({ runMs: 3_600_000 });
  await scoring.score(work(hanging, [0]));
  const over = new AbortController();
  const asked = scoring.score(work(hanging, [1]), over.signal);
  const waits = scoring.score(work(hanging, [0]), over.signal);
  const lasting = scoring.score(work(hanging, [0]));
  while (scoring.rowsInFlight < 3) await nextTurn();
  over.abort();
  for (const each of [asked, waits]) await assert.rejects(each, { name: "AbortError" });
  // It waits behind the run that hangs: closing ends that after some seconds.
  await Promise.all([assert.rejects(lasting, { code: "SCORING_CLOSED" }), scoring.close()]);
  assert.deepEqual(hung, []);
});

test("who gave up before a thread finds that a model has to run apart has nothing run there", {
  timeout,
}, async () => {
  const { pool: scoring, hung } = pool();
  const over = new AbortController();
  const asked = scoring.score(work(hanging, [1]), over.signal);
  // Given to a thread, which has yet to load what it reads models with.
  while (scoring.rowsInFlight === 0) await nextTurn();
  over.abort();
  await assert.rejects(asked, { name: "AbortError" });
  assert.deepEqual(hung, []);
  await scoring.close();
});

const here = fileURLToPath(import.meta.url);
const urlOf = (file: string) => new URL(`${file}${extname(here)}`, import.meta.url).href;
const poolUrl = urlOf("./scoring-pool");
const checkUrl = urlOf("../models/check-in-process");

/** Begins a run that hangs, and says so; argv: whether it then gives it up. */
const program = (asked: ScoreWork, folder: string) => `
import { createScoringPool } from ${JSON.stringify(poolUrl)};
const pool = createScoringPool({ artifacts: { directory: ${JSON.stringify(folder)} } });
const work = (at) => ({
  ...${JSON.stringify({ ...asked, rows: null, versionOf: null })},
  versionOf: new Uint16Array(1),
  rows: new Float64Array(${width}).fill(at),
  sourcePartitions: new Uint16Array(1),
  sourceOffsets: new Float64Array(1),
});
await pool.score(work(0));
const over = new AbortController();
const hangs = pool.score(work(1), over.signal).catch(() => {});
const turn = () => new Promise((resolve) => setImmediate(resolve));
while (pool.rowsInFlight === 0) await turn();
await turn();
console.log("asked");
if (process.argv[2] === "gives up") {
  over.abort();
  await hangs;
  await pool.close();
}
`;

/** Begins a check that hangs: one of the golden rows is of those. */
const checking = (file: string) => `
import { checkInProcess } from ${JSON.stringify(checkUrl)};
const features = ${JSON.stringify(sampleFeatures)};
const rows = new Float64Array(${width}).fill(1);
const how = { declaration: { features }, scores: null, tolerance: 1, limitMs: 1_000 };
const checked = checkInProcess({ file: ${JSON.stringify(file)}, rows, ...how });
console.log("asked");
await checked;
`;

async function started(text: string, ...args: string[]): Promise<ChildProcess> {
  const main = join(directory, "main.mjs");
  await writeFile(main, text);
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return child;
}

test("a process whose model hangs ends by itself", { timeout }, async () => {
  const child = await started(program(work(hanging, [0]), artifacts.directory), "gives up");
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

/** Processes that run models for a process. */
async function childrenOf(parent: number | undefined): Promise<number[]> {
  const found: number[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string) => readFile(`/proc/${pid}/${file}`, "utf8").catch(() => "");
    if (!/scoring-alone|check-process/.test(await read("cmdline"))) continue;
    const [, , , of] = (await read("stat")).replace(/\(.*\)/, "-").split(" ");
    if (of === String(parent)) found.push(Number(pid));
  }
  return found;
}

test("a process that runs a model ends with the one that started it, also in the middle of a run", {
  skip: process.platform === "linux" ? false : "it looks into /proc",
  timeout,
}, async () => {
  const file = join(directory, "hanging.onnx");
  await writeFile(file, hangingModel({ features: width }));
  for (const text of [program(work(hanging, [0]), artifacts.directory), checking(file)]) {
    const child = await started(text);
    let [alone] = await childrenOf(child.pid);
    while (alone === undefined) [alone] = await childrenOf(child.pid);
    child.kill("SIGKILL");
    await once(child, "exit");
    while (isThere(alone)) await wait(20);
  }
});

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
