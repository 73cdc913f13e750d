/** Explanations of models: Shapley's laws, and a naive oracle that tries every set of features. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { explainedModel } from "../../../processors/scoring/explain/explained-model.ts";
import { TreeShap } from "../../../processors/scoring/explain/tree-shap.ts";
import { newCells } from "../../../processors/scoring/native/cells.ts";
import { nativeModel } from "../../../processors/scoring/native/native-model.ts";
import { readTrees, type Trees } from "../../../processors/scoring/native/trees.ts";
import type {
  ModelDeclaration,
  ModelReading,
} from "../../../processors/scoring/onnx/model-reading.ts";
import { readOnnxGraph } from "../../../processors/scoring/onnx/onnx-graph.ts";
import { packageRoot } from "../../../schemas/package-root.ts";
import {
  type EnsembleShape,
  ensembleFile,
  ensembleRows,
  plainEnsemble,
} from "./ensemble-fixture.ts";
import { loadOnnxModel } from "./onnx-model.ts";

const everyMode = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

function readingOf({ features, targets }: EnsembleShape, column = 0): ModelReading {
  const columns = Array.from({ length: features }, (_, i) => i);
  const inputs = [{ name: "features", type: "float32" as const, columns }];
  const output = { name: "scores", column, columns: targets, logit: false };
  return { width: features, inputs, output, alone: false };
}

const namesOf = ({ features }: Pick<EnsembleShape, "features">) =>
  Array.from({ length: features }, (_, i) => `f${i}`);

function explainer(bytes: Uint8Array, reading: ModelReading, names: readonly string[]) {
  const model = explainedModel(bytes, reading, names);
  if ("why" in model) throw new Error(model.why);
  return (rows: Float64Array, start: number) => {
    const told = model.explain(rows, start);
    if ("why" in told) throw new Error(told.why);
    const values = [...told.contributions.values()];
    return { ...told, values, total: values.reduce((sum, each) => sum + each, told.expected) };
  };
}

function treesOf(bytes: Uint8Array, { kind, features }: EnsembleShape): Trees {
  const [node] = readOnnxGraph(bytes).nodes;
  if (node === undefined) throw new Error("no node");
  const inputs = [newCells("float32", [features])];
  const input = { inputs, attributes: node.attributes, opset: 17, wanted: new Set([1]) };
  return readTrees(input, kind === "regressor" ? "target" : "class", false);
}

/** Mean of the leaves a row may come to when the features of a set alone are known. */
function naiveWorth(trees: Trees, row: Float32Array, known: number): number {
  const leavesOf = (node: number): number =>
    node < 0
      ? 1
      : leavesOf(trees.children[2 * node] as number) +
        leavesOf(trees.children[2 * node + 1] as number);
  const worth = (node: number): number => {
    if (node < 0) return trees.weights[trees.leafStarts[~node] as number] as number;
    const [holds, fails] = [trees.children[2 * node], trees.children[2 * node + 1]] as [
      number,
      number,
    ];
    const feature = trees.features[node] as number;
    if ((known >> feature) % 2 === 1) {
      const value = row[feature] as number;
      const threshold = trees.thresholds[node] as number;
      const isEqual = trees.areEqual[node] === 1;
      const goes = Number.isNaN(value)
        ? trees.missingHolds[node] === 1
        : isEqual
          ? value === threshold
          : value <= threshold;
      return worth(goes ? holds : fails);
    }
    const share = trees.holdsShares?.[node] ?? leavesOf(holds) / leavesOf(node);
    return share * worth(holds) + (1 - share) * worth(fails);
  };
  return trees.roots.reduce((sum, root) => sum + worth(root), 0);
}

/** Shapley's own formula: every set of the other features, by how often it comes first. */
function naiveShapley(trees: Trees, row: Float32Array, n: number): number[] {
  const worths = Array.from({ length: 2 ** n }, (_, known) => naiveWorth(trees, row, known));
  const factorial = (of: number): number => (of < 2 ? 1 : of * factorial(of - 1));
  return Array.from({ length: n }, (_, player) => {
    let sum = 0;
    for (const [known, without] of worths.entries()) {
      if ((known >> player) % 2 === 1) continue;
      const size = known.toString(2).replaceAll("0", "").length;
      const weight = (factorial(size) * factorial(n - size - 1)) / factorial(n);
      sum += weight * ((worths[known + 2 ** player] as number) - without);
    }
    return sum;
  });
}

function assertNear(found: number, wanted: number, relative: number, what: string): void {
  const most = relative * Math.max(1e-3, Math.abs(wanted));
  assert.ok(Math.abs(found - wanted) <= most, `${what}: ${found}, not ${wanted}`);
}

const small = { ...plainEnsemble, trees: 4, depth: 4, features: 6 };

test("contributions of trees are Shapley values: every set of features is tried", () => {
  const shapes: Partial<EnsembleShape>[] = [
    {},
    { tracksMissing: true, modes: everyMode },
    { hasHits: true, tracksMissing: true },
    { depth: 7, features: 4, trees: 2, hasHits: true, modes: everyMode },
  ];
  for (const [index, each] of shapes.entries()) {
    const shape = { ...small, ...each };
    const bytes = ensembleFile(shape, `oracle ${index}`);
    const trees = treesOf(bytes, shape);
    const explain = explainer(bytes, readingOf(shape), namesOf(shape));
    const rows = ensembleRows(25, shape.features, `oracle ${index}`);
    for (let at = 0; at < rows.length; at += shape.features) {
      const { values, expected, by, of } = explain(rows, at);
      assert.equal(by, shape.hasHits ? "hitrates" : "leaves");
      assert.equal(of, "value");
      const row = Float32Array.from(rows.subarray(at, at + shape.features));
      assertNear(expected, naiveWorth(trees, row, 0), 1e-9, "expected");
      for (const [i, wanted] of naiveShapley(trees, row, shape.features).entries()) {
        assertNear(values[i] as number, wanted, 1e-9, `shape ${index}, row ${at}, f${i}`);
      }
    }
  }
});

test("they add up to what the trees give, and unused features have 0", () => {
  const shape = { ...plainEnsemble, trees: 30, depth: 8, features: 12, tracksMissing: true };
  const bytes = ensembleFile({ ...shape, features: 10 }, "adds up");
  const wide = readingOf({ ...shape, features: 10 });
  // The model takes ten of twelve, in another order.
  const columns = [3, 1, 0, 4, 5, 6, 11, 8, 9, 10];
  const reading = { ...wide, width: 12, inputs: [{ ...wide.inputs[0], columns }] } as ModelReading;
  const explain = explainer(bytes, reading, namesOf(shape));
  const trees = treesOf(bytes, { ...shape, features: 10 });
  const rows = ensembleRows(50, 12, "adds up");
  for (let at = 0; at < rows.length; at += 12) {
    const { total, contributions } = explain(rows, at);
    const row = Float32Array.from(columns, (column) => rows[at + column] as number);
    assertNear(total, naiveWorth(trees, row, 2 ** 10 - 1), 1e-9, `row ${at}`);
    assert.equal(contributions.size, 12);
    for (const unused of ["f2", "f7"]) assert.equal(contributions.get(unused), 0);
  }
});

test("of each class and target they are of its own score, or of its margin", () => {
  const shapes: Partial<EnsembleShape>[] = [
    { kind: "classifier", targets: 2, only: 0, transform: "LOGISTIC", baseValues: 1 },
    { kind: "classifier", targets: 2, only: 0, positive: true },
    { kind: "classifier", targets: 2, everyTarget: true },
    { kind: "classifier", targets: 3, transform: "SOFTMAX", baseValues: 3 },
    { targets: 3, aggregate: "AVERAGE", baseValues: 3, everyTarget: true },
    { aggregate: "AVERAGE", baseValues: 1 },
  ];
  for (const [index, each] of shapes.entries()) {
    const shape = { ...plainEnsemble, ...each };
    const bytes = ensembleFile(shape, `classes ${index}`);
    const rows = ensembleRows(20, shape.features, "classes");
    const columns = Array.from({ length: shape.targets }, (_, column) => {
      const reading = readingOf(shape, column);
      const native = nativeModel(bytes, reading);
      if ("why" in native) throw new Error(native.why);
      const explain = explainer(bytes, reading, namesOf(shape));
      const told = [...Array(20).keys()].map((row) => explain(rows, row * shape.features));
      return { scores: native.score(rows), told };
    });
    for (let row = 0; row < 20; row++) {
      const totals = columns.map(({ told }) => told[row]?.total as number);
      const exps = totals.reduce((sum, total) => sum + Math.exp(total), 0);
      for (const [column, { scores, told }] of columns.entries()) {
        const total = totals[column] as number;
        const value =
          shape.transform === "LOGISTIC"
            ? 1 / (1 + Math.exp(-total))
            : shape.transform === "SOFTMAX"
              ? Math.exp(total) / exps
              : total;
        assert.equal(told[row]?.of, shape.transform === "NONE" ? "value" : "margin");
        assertNear(value, scores[row] as number, 1e-4, `shape ${index}, class ${column}`);
      }
    }
  }
});

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
const fixtures: Readonly<Record<string, ModelDeclaration & { of: string; by: string }>> = {
  "lightgbm-regression": { of: "value", by: "leaves" },
  "lightgbm-tensor": { of: "margin", by: "leaves" },
  "sklearn-boosted": { of: "margin", by: "leaves" },
  "sklearn-classes": { positive: "late", of: "value", by: "leaves" },
  "sklearn-columns": { output: "i1", of: "margin", by: "coefficients" },
  "sklearn-inputs": { texts, of: "margin", by: "coefficients" },
  "sklearn-logits": { logit: true, of: "margin", by: "coefficients" },
  "sklearn-regression": { of: "value", by: "coefficients" },
  "sklearn-zipmap": { of: "margin", by: "coefficients" },
  "xgboost-regression": { of: "value", by: "leaves" },
  xgboost: { of: "margin", by: "leaves" },
};

test("models of the converters are explained: what adds up is what onnxruntime answers", async () => {
  for (const [name, { of, by, ...declared }] of Object.entries(fixtures)) {
    const bytes = readFileSync(join(folder, `${name}.onnx`));
    const model = await loadOnnxModel(bytes, { features: known.features, ...declared });
    const rows = Float64Array.from(known.rows.flat(), (value) => value ?? Number.NaN);
    const scores = await model.score(rows);
    await model.release();
    const explain = explainer(bytes, model.reading, known.features);
    for (const [row, score] of scores.entries()) {
      const told = explain(rows, row * known.features.length);
      assert.deepEqual([told.of, told.by], [of, by], name);
      const value = of === "margin" ? 1 / (1 + Math.exp(-told.total)) : told.total;
      assertNear(value, score, 1e-4, `${name}, row ${row}`);
      const isText = declared.texts !== undefined;
      assert.equal(told.contributions.has("country"), isText, name);
      assert.equal(told.contributions.has("country_de"), !isText, name);
    }
  }
});

test("what cannot be shared out says why", () => {
  const why = (shape: Partial<EnsembleShape>) => {
    const whole = { ...plainEnsemble, ...shape };
    const model = explainedModel(ensembleFile(whole, "why"), readingOf(whole), namesOf(whole));
    return "why" in model ? model.why : "it is explained";
  };
  assert.equal(why({}), "it is explained");
  assert.match(why({ aggregate: "MAX" }), /TreeEnsembleRegressor: it aggregates by MAX/);
  // Each node leads to the next one, either way or one of them.
  const chain = (n: number, width: number): Trees => ({
    ...treesOf(ensembleFile(plainEnsemble, "chain"), plainEnsemble),
    roots: Int32Array.of(0),
    features: new Int32Array(n),
    thresholds: new Float64Array(n),
    children: Int32Array.from({ length: 2 * n }, (_, i) => {
      const next = (i >> 1) + 1;
      return next === n || i % 2 >= width ? -1 : next;
    }),
  });
  const shap = (trees: Trees) => () => new TreeShap(trees, new Int32Array(1), new Float64Array(1));
  assert.throws(shap(chain(501, 1)), /has 501 comparisons, over 500/);
  assert.throws(shap(chain(40, 2)), /have 1099511627776 ways, over 65536/);
  assert.doesNotThrow(shap(chain(500, 1)));
  const bytes = readFileSync(join(folder, "sklearn-double.onnx"));
  const columns = known.features.map((_, i) => i);
  const reading: ModelReading = {
    ...{ width: columns.length, alone: false },
    inputs: [{ name: "features", type: "float64", columns }],
    output: { name: "probabilities", column: 1, columns: 2, logit: false },
  };
  const mixed = explainedModel(bytes, reading, known.features);
  assert.match("why" in mixed ? mixed.why : "", /behind the model is no function of one score/);
});
