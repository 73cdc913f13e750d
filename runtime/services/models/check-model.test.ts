/** Each limit that a model is held to before it may serve, with what the refusal says to change. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { extendOnnxFile } from "../../../processors/scoring/onnx/onnx-file.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import { ensembleFile, plainEnsemble } from "../score/ensemble-fixture.ts";
import { encodeOnnx, onnxTypes } from "../train/onnx-writer.ts";
import { checkModel, type ModelCheck } from "./check-model.ts";

const fixtures = join(packageRoot(), "examples", "models", "fixtures");
const known = JSON.parse(readFileSync(join(fixtures, "scores.json"), "utf8")) as {
  readonly features: readonly string[];
  readonly rows: readonly (readonly (number | null)[])[];
};
const { features } = known;
const rows = Float64Array.from(known.rows.flat(), (value) => value ?? Number.NaN);
const usual: ModelCheck = {
  ...{ declaration: { features }, rows, scores: null, tolerance: 1e-6, limitMs: 10_000 },
};

const fileOf = (name: string) => readFileSync(join(fixtures, `${name}.onnx`));

/** @param model - a fixture's name, or the model itself. */
function check(model: string | Uint8Array, changes: Partial<ModelCheck> = {}) {
  const bytes = typeof model === "string" ? fileOf(model) : model;
  return checkModel(bytes, { ...usual, ...changes });
}

/** What the refusal of a model says. */
async function refusal(
  model: string | Uint8Array,
  changes: Partial<ModelCheck> = {},
): Promise<string> {
  try {
    await check(model, changes);
  } catch (error) {
    assert.equal((error as { code?: string }).code, "MODEL_REFUSED");
    return (error as Error).message;
  }
  return assert.fail("it passed");
}

test("a model that keeps all limits passes, with what it takes", async () => {
  const { msPerRow, reading } = await check("xgboost");
  assert.ok(msPerRow > 0 && msPerRow < 10_000);
  assert.equal(reading.width, features.length);
});

test("an answer that is not that of its golden row is refused, naming the row", async () => {
  const scores = new Float64Array(known.rows.length).fill(0.5);
  const told = await refusal("xgboost", { scores, tolerance: 0.001 });
  assert.match(told, /golden row \d+ gives [\d.]+, not 0\.5 \(± 0\.001\): check the order/);
  await check("xgboost", { scores, tolerance: 1 });
});

test("a row that takes longer than the deadline of the step is refused", async () => {
  assert.match(
    await refusal("xgboost", { limitMs: 0 }),
    /a row takes \d+\.\d ms, more than the 0 ms of the step's deadline/,
  );
});

test("a model that knows no missing value is refused, naming the feature and what fills it", async () => {
  assert.match(
    await refusal("sklearn-bare"),
    /with \S+ missing it gives NaN: let the model fill it \(SimpleImputer/,
  );
});

test("answers that are no probabilities are refused with the option that may help", async () => {
  assert.match(
    await refusal("sklearn-logits"),
    /row \d+ gives .*no probability: with log-odds say --logit.*regression.*from 0 to 1/,
  );
});

test("a vector of another width than that of the step is refused", async () => {
  const told = await refusal("xgboost", { declaration: { features: features.slice(1) } });
  assert.match(told, /takes \d+ features/);
});

test("inputs of names that the step does not have are refused, naming those that it has", async () => {
  const renamed = { features: features.map((name) => `the_${name}`), order: [...features] };
  assert.match(
    await refusal("xgboost", { declaration: renamed }),
    /--order names "amount", which is no feature of the step\. The step has: the_amount/,
  );
});

test("an output that there is not is refused, naming those that there are", async () => {
  assert.match(
    await refusal("xgboost", { declaration: { features, output: "probabilitis" } }),
    /no output "probabilitis" \(did you mean probabilities\?\); found: .*probabilities/,
  );
});

test("an input of a type that a vector cannot give is refused with the one that it can", async () => {
  assert.match(
    await refusal("sklearn-inputs"),
    /its input "country" takes string, not float or double; .*give the step one of that name/,
  );
  const whole = encodeOnnx({
    name: "whole",
    nodes: [{ op: "Cast", inputs: ["x"], outputs: ["p"], attributes: { to: onnxTypes.float } }],
    initializers: [],
    input: { name: "x", type: onnxTypes.int64, dims: ["N", features.length] },
    output: { name: "p", type: onnxTypes.float, dims: ["N", features.length] },
  });
  assert.match(await refusal(whole), /takes int64, not float or double; .*declare it as float/);
});

test("a model whose answers depend on the batch is asked row by row; on chance, it is refused", async () => {
  const { reading } = await check("sklearn-zipmap", { scorer: "onnxruntime" });
  assert.equal(reading.alone, true);
  const drawn = encodeOnnx({
    name: "drawn",
    nodes: [
      { op: "RandomUniformLike", inputs: ["x"], outputs: ["random"] },
      {
        ...{ op: "ReduceMean", inputs: ["random"], outputs: ["mean"] },
        attributes: { keepdims: 1 },
      },
      { op: "Mul", inputs: ["random", "mean"], outputs: ["less"] },
      { op: "Gather", inputs: ["less", "first"], outputs: ["p"], attributes: { axis: 1 } },
    ],
    initializers: [{ name: "first", dims: [1], data: BigInt64Array.of(0n) }],
    input: { name: "x", type: onnxTypes.float, dims: ["N", features.length] },
    output: { name: "p", type: onnxTypes.float, dims: ["N", 1] },
  });
  assert.match(
    await refusal(drawn),
    /in a batch of 1 and .*depend on more than the row\. Export it for inference, without dropout/,
  );
});

test("where a step explains, a model says why its scores cannot be, by its kind or its size", async () => {
  const explains = { explains: true };
  assert.equal((await check("xgboost", explains)).notExplained, null);
  const shape = { ...plainEnsemble, features: features.length, transform: "LOGISTIC" };
  const highest = ensembleFile({ ...shape, aggregate: "MAX" }, "highest");
  const kind = await check(highest, explains);
  assert.match(kind.notExplained ?? "", /it aggregates by MAX/);
  const large = extendOnnxFile(fileOf("xgboost"), { padding: "x".repeat(8 * 1024 * 1024) });
  const size = await check(large, explains);
  assert.match(size.notExplained ?? "", /its file is larger than 8388608 bytes/);
  assert.equal((await check(highest)).notExplained, null, "no step asks");
});
