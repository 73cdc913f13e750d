/** By what a registered version is scored: chosen once, by its file and its answers alone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readingProperty, writtenReading } from "../../../processors/scoring/onnx/model-reading.ts";
import { extendOnnxFile, readOnnxFile } from "../../../processors/scoring/onnx/onnx-file.ts";
import type { ScorerChoice } from "../../../schemas/model-change.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import { ensembleFile, plainEnsemble } from "../score/ensemble-fixture.ts";
import { loadOnnxModel } from "../score/onnx-model.ts";
import { checkModel } from "./check-model.ts";
import { madeRows } from "./check-rows.ts";

const folder = join(packageRoot(), "examples", "models", "fixtures");
const fileOf = (name: string) => readFileSync(join(folder, `${name}.onnx`));
const features = ["amount", "hour", "visits", "country_de", "country_fr"];

function check(bytes: Uint8Array, scorer: ScorerChoice, names: readonly string[] = features) {
  const rows = madeRows(names.length).values;
  const held = { declaration: { features: names }, rows, scores: null, tolerance: 1e-5 };
  return checkModel(bytes, { ...held, limitMs: 10_000, scorer });
}

test("trees are scored in JavaScript, and the file says so wherever it is read again", async () => {
  for (const name of ["lightgbm-zipmap", "xgboost", "sklearn-boosted"]) {
    const { artifact, reading, notNative } = await check(fileOf(name), "auto");
    assert.equal(notNative, null, name);
    assert.deepEqual([reading.native, reading.alone], [true, false]);
    assert.deepEqual(writtenReading(readOnnxFile(artifact)), reading);
    const model = await loadOnnxModel(artifact);
    const plain = await loadOnnxModel(fileOf(name), { features });
    const { values } = madeRows(features.length);
    assert.deepEqual(await model.score(values), await plain.score(values));
    await assert.rejects(model.score(new Float64Array(7)), { code: "MODEL_REFUSED" });
    await plain.release();
  }
});

test("other bits, large trees and unknown operators are onnxruntime's, with the reason", async () => {
  const linear = await check(fileOf("sklearn-zipmap"), "auto");
  assert.match(linear.notNative ?? "", /^a row gives .*, and .* by onnxruntime$/);
  assert.deepEqual([linear.reading.native, linear.reading.alone], [undefined, true]);
  const names = Array.from({ length: 8 }, (_, index) => `f${index}`);
  const shape = { ...plainEnsemble, kind: "classifier" as const, targets: 2, only: 0 };
  const large = { ...shape, trees: 600, depth: 6, transform: "LOGISTIC" };
  const { notNative, reading } = await check(ensembleFile(large, "large"), "auto", names);
  assert.match(notNative ?? "", /^a row costs \d+ steps, more than 1000$/);
  assert.equal(reading.native, undefined);
  // Walked without a branch, trees cost a third.
  for (const isDouble of [false, true]) {
    const half = ensembleFile({ ...large, trees: 300, isDouble }, "half");
    assert.equal((await check(half, "auto", names)).notNative, null);
  }
  const asked = await check(ensembleFile(large, "large"), "native", names);
  assert.equal(asked.notNative, null);
  const trees = await check(fileOf("xgboost"), "onnxruntime");
  assert.equal(trees.notNative, "onnxruntime is asked for");
});

test("linear models are scored in JavaScript where that is asked for, in batches again", async () => {
  const { reading, artifact } = await check(fileOf("sklearn-zipmap"), "native");
  assert.deepEqual([reading.native, reading.alone], [true, false]);
  const unknown = artifact.toString("latin1").replaceAll("LinearClassifier", "LinearClassifies");
  await assert.rejects(loadOnnxModel(Buffer.from(unknown, "latin1")), {
    code: "MODEL_REFUSED",
    message: /to be computed in JavaScript.*LinearClassifies is not computed here/,
  });
  const probit = ensembleFile({ ...plainEnsemble, transform: "PROBIT" }, "probit");
  const names = Array.from({ length: 8 }, (_, index) => `f${index}`);
  await assert.rejects(check(probit, "native", names), {
    code: "MODEL_REFUSED",
    message: /cannot be scored in JavaScript: .*PROBIT; leave out --scorer native/,
  });
});

test("a version that was registered before stays with onnxruntime", async () => {
  const bytes = fileOf("xgboost");
  const plain = await loadOnnxModel(bytes, { features });
  const before = extendOnnxFile(bytes, { [readingProperty]: JSON.stringify(plain.reading) });
  const again = await loadOnnxModel(before);
  assert.equal(again.reading.native, undefined);
  await plain.release();
  await again.release();
});
