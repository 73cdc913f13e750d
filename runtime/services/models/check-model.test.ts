/** Each limit that a model is held to before it may serve, with what the refusal says to change. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../schemas/package-root.ts";
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

function check(name: string, changes: Partial<ModelCheck> = {}) {
  const bytes = readFileSync(join(fixtures, `${name}.onnx`));
  return checkModel(bytes, { ...usual, ...changes });
}

/** What the refusal of a model says. */
async function refusal(name: string, changes: Partial<ModelCheck> = {}): Promise<string> {
  try {
    await check(name, changes);
  } catch (error) {
    assert.equal((error as { code?: string }).code, "MODEL_REFUSED");
    return (error as Error).message;
  }
  return assert.fail(`${name} passed`);
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
    /row \d+ gives .*no probability: with log-odds say --logit/,
  );
});

test("a vector of another width than that of the step is refused", async () => {
  const told = await refusal("xgboost", { declaration: { features: features.slice(1) } });
  assert.match(told, /takes \d+ features/);
});
