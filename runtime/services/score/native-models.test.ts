/** Models that are computed in JavaScript, held against onnxruntime on the same files. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { nativeModel } from "../../../processors/scoring/native/native-model.ts";
import type {
  ModelDeclaration,
  OutputReading,
} from "../../../processors/scoring/onnx/model-reading.ts";
import { seededRandom } from "../../../processors/train/seeded-random-fixture.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import {
  type EnsembleShape,
  ensembleFile,
  ensembleRows,
  plainEnsemble,
} from "./ensemble-fixture.ts";
import { loadOnnxModel } from "./onnx-model.ts";

/** Both answers to rows: those of JavaScript come alone and together, and have to be the same. */
async function bothAnswers(bytes: Uint8Array, rows: Float64Array, declared: ModelDeclaration) {
  const model = await loadOnnxModel(bytes, declared);
  const native = nativeModel(bytes, model.reading);
  if ("why" in native) throw new Error(native.why);
  const expected = await model.score(rows);
  await model.release();
  const answers = native.score(rows);
  const width = model.features;
  for (const size of [1, 7]) {
    for (let from = 0; from < answers.length; from += size) {
      const apart = native.score(rows.slice(from * width, (from + size) * width));
      for (const [i, each] of apart.entries()) assert.ok(Object.is(each, answers[from + i]));
    }
  }
  return { answers, expected };
}

function assertSame(answers: Float64Array, expected: Float64Array, within: number, what: string) {
  assert.equal(answers.length, expected.length);
  for (const [row, answer] of answers.entries()) {
    const wanted = expected[row] as number;
    const isNear = Object.is(answer, wanted) || Math.abs(answer - wanted) <= within;
    assert.ok(isNear, `${what}, row ${row}: ${answer}, not ${wanted}`);
  }
}

const folder = join(packageRoot(), "examples", "models", "fixtures");
const known = JSON.parse(readFileSync(join(folder, "scores.json"), "utf8")) as {
  readonly features: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
};
const texts = new Map([
  [
    "country",
    [
      { feature: "country_de", text: "DE" },
      { feature: "country_fr", text: "FR" },
    ],
  ],
]);
/** By fixture what has to be declared, and whether answers have the same bits. */
const fixtures: Readonly<Record<string, ModelDeclaration & { readonly isExact: boolean }>> = {
  "lightgbm-regression": { isExact: true },
  "lightgbm-tensor": { isExact: true },
  "lightgbm-zipmap": { isExact: true },
  "sklearn-bare": { isExact: false },
  "sklearn-boosted": { isExact: true },
  "sklearn-classes": { positive: "late", isExact: true },
  "sklearn-columns": { output: "i1", isExact: false },
  "sklearn-double": { isExact: false },
  "sklearn-inputs": { texts, isExact: false },
  "sklearn-logits": { logit: true, isExact: false },
  "sklearn-regression": { isExact: false },
  "sklearn-tensor": { isExact: false },
  "sklearn-zipmap": { isExact: false },
  "xgboost-regression": { isExact: true },
  xgboost: { isExact: true },
};

/** The rows of the fixtures, stretched, with values missing and infinite. */
function stretchedRows(n: number): Float64Array {
  const random = seededRandom("stretched");
  const { features, rows } = known;
  return Float64Array.from({ length: n * features.length }, (_, at) => {
    const column = at % features.length;
    const value = rows[random(rows.length)]?.[column] ?? Number.NaN;
    const odd = random(40);
    if (odd === 0) return Number.NaN;
    if (odd === 1) return Number.POSITIVE_INFINITY;
    if (odd === 2) return Number.NEGATIVE_INFINITY;
    // Those that stand for texts are 0 or 1.
    const isText = features[column]?.startsWith("country_") === true;
    return isText ? value : value * (random(1000) / 500);
  });
}

for (const [name, { isExact, ...declared }] of Object.entries(fixtures)) {
  const how = isExact ? "the bits of" : "within 1e-6 of";
  test(`${name}: JavaScript gives ${how} what onnxruntime gives, whatever the batch`, async () => {
    const bytes = readFileSync(join(folder, `${name}.onnx`));
    const declaration = { features: known.features, ...declared };
    const { answers, expected } = await bothAnswers(bytes, stretchedRows(2_000), declaration);
    assertSame(answers, expected, isExact ? 0 : 1e-6, name);
  });
}

const everyMode = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const regressors: readonly Partial<EnsembleShape>[] = [
  {},
  ...everyMode.map((mode) => ({ modes: [mode], tracksMissing: true })),
  { modes: ["BRANCH_LT"] },
  { modes: ["BRANCH_GTE"] },
  { modes: everyMode },
  { modes: everyMode, tracksMissing: true, baseValues: 1 },
  { aggregate: "AVERAGE", baseValues: 1 },
  { aggregate: "MIN" },
  { aggregate: "MAX", baseValues: 1 },
  { trees: 150, depth: 7, tracksMissing: true },
  { isDouble: true, tracksMissing: true, baseValues: 1 },
  { isDouble: true, modes: everyMode, aggregate: "AVERAGE" },
  { transform: "LOGISTIC" },
  ...["SUM", "AVERAGE", "MIN", "MAX"].flatMap((aggregate) => [
    { targets: 3, aggregate, baseValues: 3, everyTarget: true },
    { targets: 3, aggregate, trees: 4 },
  ]),
  ...["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"].map((transform) => ({ targets: 3, transform })),
];
const classifiers: readonly Partial<EnsembleShape>[] = ["NONE", "LOGISTIC", "SOFTMAX"].flatMap(
  (transform) => [
    ...[0, 1, 2].flatMap((baseValues) => [
      { targets: 2, transform, baseValues, only: 0 },
      { targets: 2, transform, baseValues, only: 1 },
      { targets: 2, transform, baseValues, only: 0, positive: true },
      { targets: 2, transform, baseValues, everyTarget: true },
    ]),
    { targets: 3, transform, baseValues: 3, tracksMissing: true },
    { targets: 4, transform, everyTarget: true, modes: everyMode },
    { targets: 4, transform, trees: 2 },
    { targets: 2, transform, isDouble: true, only: 0, baseValues: 1 },
  ],
);

/** Of a made-up ensemble each column of the answer. */
async function holdsAgainst(shape: EnsembleShape, seed: string): Promise<void> {
  const bytes = ensembleFile(shape, seed);
  const rows = ensembleRows(400, shape.features, seed);
  const what = `${seed}: ${JSON.stringify(shape)}`;
  for (let column = 0; column < shape.targets; column++) {
    const declared = shape.targets === 1 ? {} : { positive: String(column) };
    const { answers, expected } = await bothAnswers(bytes, rows, declared);
    // Float sums as wide as onnxruntime's have its bits; its softmax divides otherwise.
    const isExact = !shape.transform.startsWith("SOFTMAX");
    assertSame(answers, expected, isExact ? 0 : 1e-6, what);
  }
}

test("made-up regressors give the bits of onnxruntime: every mode, aggregate and width", async () => {
  for (const [index, each] of regressors.entries()) {
    await holdsAgainst({ ...plainEnsemble, ...each }, `regressor ${index}`);
  }
});

test("made-up classifiers do: two classes with one score or two, and several", async () => {
  for (const [index, each] of classifiers.entries()) {
    await holdsAgainst({ ...plainEnsemble, ...each, kind: "classifier" }, `classifier ${index}`);
  }
});

test("what is not known here is not computed, and says what it is", () => {
  const whole: OutputReading = { name: "scores", column: 0, columns: 1, logit: false };
  const reading = {
    width: 8,
    inputs: [{ name: "features", type: "float32" as const, columns: [0, 1, 2, 3, 4, 5, 6, 7] }],
    alone: false,
  };
  const why = (bytes: Uint8Array, output: OutputReading = whole) => {
    const built = nativeModel(bytes, { ...reading, output });
    return "why" in built ? built.why : "it is computed";
  };
  const file = ensembleFile(plainEnsemble, "known");
  assert.equal(why(file), "it is computed");
  assert.match(why(file, { ...whole, columns: 2 }), /not of 2 columns/);
  assert.match(why(file, { ...whole, name: "other" }), /no output/);
  const probit = ensembleFile({ ...plainEnsemble, transform: "PROBIT" }, "probit");
  assert.match(why(probit), /TreeEnsembleRegressor: it transforms by PROBIT/);
  const wide = ensembleFile({ ...plainEnsemble, features: 12 }, "wide");
  assert.match(why(wide), /ask for more than 8 features/);
  const renamed = Buffer.from(file.toString("latin1").replace("Regressor", "Regresser"), "latin1");
  assert.match(why(renamed), /TreeEnsembleRegresser is not computed here/);
});
