import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { areaUnderRocOf } from "../../../processors/drift/auc.ts";
import { rowStates, type ScoreWork } from "../../../processors/scoring/score-work.ts";
import {
  fitLogisticRegression,
  fittedProbabilities,
} from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { sampleFeatures, sampleRows } from "../../../processors/train/sample-rows-fixture.ts";
import { seededRandom } from "../../../processors/train/seeded-random-fixture.ts";
import { type ArtifactStore, openArtifactStore } from "../train/artifacts.ts";
import { logisticRegressionGraph } from "../train/logistic-regression-graph.ts";
import { encodeOnnx, onnxTypes } from "../train/onnx-writer.ts";
import { verifyServedAsFitted } from "../train/train-model.ts";
import { loadOnnxModel, verifyBatchInvariance } from "./onnx-model.ts";
import { type BatchAnswer, microBatches, microBatchRows } from "./scorer.ts";
import { createScoringPool } from "./scoring-pool.ts";
import { ShortScorer } from "./short-scorer.ts";

let directory: string;
let artifacts: ArtifactStore;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "millrace-scoring-"));
  artifacts = openArtifactStore(join(directory, "models"));
});
after(() => rm(directory, { recursive: true, force: true }));

function model(seed: string) {
  const rows = sampleRows(3_000, seed);
  const preparation = fitPreparation(rows, new Set(["hour"]));
  const design = prepare(preparation, rows);
  const fitted = fitLogisticRegression(design, rows.labels, preparation.columns);
  const bytes = logisticRegressionGraph(sampleFeatures.length, preparation, fitted);
  return { rows, preparation, fitted, design, bytes };
}

function work(seeds: readonly string[], shas: readonly string[], n: number): ScoreWork {
  return {
    versions: seeds.map((_, i) => `v${i + 1}`),
    artifacts: shas,
    versionOf: Uint16Array.from({ length: n }, (_, row) => row % seeds.length),
    rows: sampleRows(n, "work").values,
    features: sampleFeatures.length,
    sourcePartitions: new Uint16Array(n),
    sourceOffsets: Float64Array.from({ length: n }, (_, row) => row),
    putAside: [],
    asksNews: false,
    heard: 0,
    knownAt: 0,
  };
}

test("the ONNX graph gives the probabilities of the fit, missing values included", async () => {
  const { rows, fitted, design, bytes } = model("graph");
  const onnx = await loadOnnxModel(bytes);
  const answers = await onnx.score(rows.values);
  const expected = fittedProbabilities(fitted, design);
  const worst = expected.reduce(
    (most, p, row) => Math.max(most, Math.abs(p - (answers[row] ?? 9))),
    0,
  );
  assert.ok(worst <= 1e-6, `max |Δp| ${worst}`);
  await onnx.release();
});

test("a large mean over a small spread costs no skill: scaling is done in double", async () => {
  for (const mean of [1e8, 1e9, -1e12]) {
    const random = seededRandom(`mean ${mean}`);
    const n = 4_000;
    const values = Float64Array.from({ length: n }, () => mean + random(10_000) / 500 - 10);
    const labels = Uint8Array.from(values, (value) =>
      random(1_000) / 1_000 < 1 / (1 + Math.exp((mean - value) / 4)) ? 1 : 0,
    );
    const rows = { n, features: ["at"], values, labels, knownAt: new Float64Array(n) };
    const preparation = fitPreparation(rows, new Set());
    const design = prepare(preparation, rows);
    const fitted = fitLogisticRegression(design, labels, preparation.columns);
    const onnx = await loadOnnxModel(logisticRegressionGraph(1, preparation, fitted));
    const served = Float64Array.from(await onnx.score(values));
    await onnx.release();
    verifyServedAsFitted(served, fittedProbabilities(fitted, design));
    const auc = areaUnderRocOf(served, labels);
    assert.ok(auc > 0.8, `mean ${mean}: AUC ${auc}`);
    served[7] = (served[7] as number) + 0.001;
    assert.throws(() => verifyServedAsFitted(served, fittedProbabilities(fitted, design)), {
      code: "MODEL_REFUSED",
    });
  }
});

test("an answer does not depend on its batch", async () => {
  const { rows, bytes } = model("batches");
  const onnx = await loadOnnxModel(bytes);
  await verifyBatchInvariance(onnx, rows.values);
  const all = await onnx.score(rows.values.slice(0, 1000 * onnx.features));
  for (let row = 0; row < 1000; row += 37) {
    const vector = rows.values.slice(row * onnx.features, (row + 1) * onnx.features);
    assert.equal((await onnx.score(vector))[0], all[row]);
  }
  await onnx.release();
});

test("equal rows give equal bytes and so one artifact, owner-only and checked on reading", async () => {
  const sha256 = await artifacts.put(model("same").bytes);
  assert.equal(await artifacts.put(model("same").bytes), sha256);
  assert.notEqual(await artifacts.put(model("other").bytes), sha256);
  const path = join(artifacts.directory, `${sha256}.onnx`);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const bytes = await readFile(path);
  bytes[100] = (bytes[100] as number) ^ 1;
  await writeFile(path, bytes);
  await assert.rejects(artifacts.get(sha256), { code: "ARTIFACT_DAMAGED" });
  assert.equal(await artifacts.put(model("same").bytes), sha256);
  assert.deepEqual(await artifacts.get(sha256), model("same").bytes);
  await assert.rejects(artifacts.get("0".repeat(64)), { code: "ARTIFACT_MISSING" });
  await assert.rejects(artifacts.get("../etc/passwd"), RangeError);
});

test("bytes that are no model are refused", async () => {
  await assert.rejects(loadOnnxModel(Buffer.from("no model")), { code: "MODEL_REFUSED" });
});

test("work is cut by model into micro-batches that hold each row once", () => {
  const batches = microBatches(work(["a", "b"], ["x", "y"], 1001));
  assert.deepEqual(
    batches.map(({ artifact, rows }) => [artifact, rows.length]),
    [
      ["x", 256],
      ["x", 245],
      ["y", 256],
      ["y", 244],
    ],
  );
  const rows = batches.flatMap((batch) => [...batch.rows]).sort((a, b) => a - b);
  assert.deepEqual(
    rows,
    Array.from({ length: 1001 }, (_, row) => row),
  );
});

test("threads answer like the calling thread, whatever the limits of the pool", async () => {
  const seeds = ["a", "b", "c", "d", "e", "f"];
  const shas = await Promise.all(seeds.map((seed) => artifacts.put(model(seed).bytes)));
  const threadless = createScoringPool({ artifacts, threads: 0 });
  const pool = createScoringPool({ artifacts, threads: 2 });
  const asked = work(seeds, shas, 2_000);
  const [expected, got, again] = await Promise.all([
    threadless.score(asked),
    pool.score(asked),
    pool.score(asked),
  ]);
  assert.deepEqual(got.probabilities, expected.probabilities);
  assert.deepEqual(again.probabilities, expected.probabilities);
  assert.ok(got.latencyMs.every((latency) => latency > 0));
  assert.equal((await pool.score(work([], [], 0))).probabilities.length, 0);
  assert.equal(pool.rowsInFlight, 0);
  for (const each of [threadless, pool]) {
    const lost = each.score(work(["x"], ["0".repeat(64)], 3));
    await assert.rejects(lost, { code: "ARTIFACT_MISSING", message: /is not in/ });
  }
  for (const each of [threadless, pool]) {
    await each.close();
    await assert.rejects(each.score(asked), { code: "SCORING_CLOSED" });
  }
});

const known = { timeout: 60_000 };

test(
  "a model that is known to be short answers on the calling thread as threads do",
  known,
  async () => {
    const sha = await artifacts.put(model("short").bytes);
    const asked = work(["short"], [sha], 3);
    const pool = createScoringPool({ artifacts, threads: 1, shortMs: 1_000 });
    const { probabilities } = await pool.score(asked);
    const short = new ShortScorer(artifacts.directory, 1_000);
    const ask = () => short.ask(sha, 3, () => asked.rows.slice());
    assert.equal(ask(), null, "nothing is known of it");
    for (let run = 0; run < 16; run++) {
      short.took(sha, 3, { probabilities, failure: null, tookMs: 1 });
    }
    let here = ask();
    assert.equal(here, null, "it is loaded first");
    for (; here === null; here = ask()) await nextTurn();
    const { tookMs, ...answer } = (await here) as BatchAnswer;
    assert.deepEqual(answer, { probabilities, failure: null });
    assert.ok((tookMs ?? 0) > 0);
    await short.close();
    for (let run = 0; run < 40; run++) {
      assert.deepEqual((await pool.score(asked)).probabilities, probabilities);
    }
    await pool.close();
  },
);

/** Answers with its first feature; how long that takes is what its largest one says. */
function anyTime(): Buffer {
  const { length } = sampleFeatures;
  const last = { keepdims: 0 };
  return encodeOnnx({
    name: "any_time",
    nodes: [
      { op: "Gather", inputs: ["features", "first"], outputs: ["found"], attributes: { axis: 1 } },
      { op: "ReduceMax", inputs: ["features"], outputs: ["most"], attributes: last },
      { op: "Range", inputs: ["zero", "most", "one"], outputs: ["all"] },
      { op: "ReduceSum", inputs: ["all"], outputs: ["sum"], attributes: last },
      { op: "Mul", inputs: ["sum", "zero"], outputs: ["nothing"] },
      { op: "Add", inputs: ["found", "nothing"], outputs: ["answer"] },
      { op: "Reshape", inputs: ["answer", "flat"], outputs: ["probability"] },
    ],
    initializers: [
      { name: "first", dims: [1], data: BigInt64Array.of(0n) },
      { name: "flat", dims: [1], data: BigInt64Array.of(-1n) },
      { name: "zero", dims: [], data: new Float64Array(1) },
      { name: "one", dims: [], data: Float64Array.of(1) },
    ],
    input: { name: "features", type: onnxTypes.double, dims: ["N", length] },
    output: { name: "probability", type: onnxTypes.double, dims: ["N"] },
  });
}

test(
  "a model whose rows may take any time is never asked on the calling thread",
  known,
  async () => {
    const sha = await artifacts.put(anyTime());
    const pool = createScoringPool({ artifacts, threads: 1, shortMs: 1_000 });
    const rows = new Float64Array(sampleFeatures.length).fill(0.5);
    const { probabilities, failure } = await pool.score({ ...work(["any"], [sha], 1), rows });
    assert.deepEqual([failure, ...probabilities], [null, 0.5], "a process does ask it");
    await pool.close();
    const short = new ShortScorer(artifacts.directory, 1_000);
    for (let run = 0; run < 16; run++) {
      short.took(sha, 1, { probabilities, failure: null, tookMs: 0.01 });
    }
    const ask = () => short.ask(sha, 1, () => rows.slice());
    assert.equal(ask(), null);
    await short.close();
    assert.equal(ask(), null, "short as it was until now");
  },
);

test("a model that is slow here three times goes back to the threads for good", known, async () => {
  const sha = await artifacts.put(model("slow").bytes);
  const row = sampleRows(1, "slow").values;
  const short = new ShortScorer(artifacts.directory, 1_000, 0);
  const took = { probabilities: new Float64Array(1), failure: null, tookMs: 0 };
  const ask = () => short.ask(sha, 1, () => row.slice());
  const show = () => {
    for (let run = 0; run < 16; run++) short.took(sha, 1, took);
  };
  for (let time = 0; time < 3; time++) {
    show();
    let here = ask();
    for (; here === null; here = ask()) await nextTurn();
    const { busyMs } = (await here) as BatchAnswer;
    if (time === 0) {
      assert.equal(busyMs, undefined);
      assert.ok((((await ask()) as BatchAnswer).busyMs ?? 0) > 0, "it may have waited");
    }
    assert.equal(ask(), null, "it has to show anew");
  }
  show();
  assert.equal(ask(), null);
  await short.close();
  assert.equal(ask(), null);
});

test("a model that cannot be loaded stays with the threads", async () => {
  const missing = "0".repeat(64);
  const short = new ShortScorer(artifacts.directory, 1_000);
  for (let run = 0; run < 16; run++) {
    short.took(missing, 1, { probabilities: new Float64Array(1), failure: null, tookMs: 1 });
  }
  const ask = () => short.ask(missing, 1, () => new Float64Array(sampleFeatures.length));
  assert.equal(ask(), null);
  await short.close();
  assert.equal(ask(), null);
});

test("a model that takes another number of features fails, and is never scored askew", async () => {
  const sha256 = await artifacts.put(model("askew").bytes);
  const width = 2 * sampleFeatures.length;
  const asked = { ...work(["askew"], [sha256], 4), rows: new Float64Array(4 * width) };
  for (const threads of [0, 1]) {
    const pool = createScoringPool({ artifacts, threads });
    const { states, failure } = await pool.score({ ...asked, features: width });
    assert.deepEqual([...states], new Array(4).fill(rowStates.failed));
    assert.match(failure ?? "", /takes \d+ features, and \d+ were given/);
    assert.equal((await pool.score({ ...asked, features: width / 2 })).probabilities.length, 4);
    await pool.close();
  }
});

test("work that is given up leaves the queue, and its scorer goes on", async () => {
  const sha256 = await artifacts.put(model("overload").bytes);
  for (const threads of [0, 1]) {
    const pool = createScoringPool({ artifacts, threads });
    const over = new AbortController();
    const bursts = Array.from({ length: 8 }, () =>
      pool.score(work(["overload"], [sha256], 5_000), over.signal),
    );
    const small = pool.score(work(["overload"], [sha256], 1));
    const most = Math.max(1, 2 * threads) * microBatchRows;
    assert.ok(pool.rowsInFlight <= most, "threads hold little");
    over.abort();
    const ended = await Promise.allSettled(bursts);
    const reasons = new Set(ended.map((each) => each.status === "rejected" && each.reason));
    assert.deepEqual([...reasons], [over.signal.reason]);
    assert.ok(((await small).probabilities[0] as number) > 0);
    await assert.rejects(pool.score(work(["overload"], [sha256], 1), over.signal), {
      name: "AbortError",
    });
    assert.equal(pool.rowsInFlight, 0);
    await pool.close();
  }
});

test("a pool that is closed under load ends its runs and never aborts the process", async () => {
  const sha256 = await artifacts.put(model("load").bytes);
  for (let cycle = 0; cycle < 20; cycle++) {
    const pool = createScoringPool({ artifacts, threads: cycle % 5 === 0 ? 0 : 1 });
    const asked = work(["load"], [sha256], 3_000);
    const answers = [pool.score(asked), pool.score(asked)];
    await pool.close();
    for (const each of answers) assert.equal((await each).probabilities.length, 3_000);
  }
});
