import assert from "node:assert/strict";
import { test } from "node:test";
import { wireBytes, wireNumber } from "../onnx/wire.ts";
import { whyUnbounded } from "./bounded-graph.ts";

function file(ops: readonly string[], more: readonly Buffer[] = []): Buffer {
  const nodes = ops.map((name) => {
    const at = name.lastIndexOf(".") + 1;
    const domain = at === 0 ? [] : [wireBytes(7, name.slice(0, at - 1))];
    return wireBytes(1, [
      wireBytes(1, "x"),
      wireBytes(2, "y"),
      wireBytes(4, name.slice(at)),
      ...domain,
    ]);
  });
  return Buffer.concat([wireNumber(1, 8), wireBytes(7, nodes), ...more]);
}

test("a graph has an end where all operators do, and loops and sizes out of values have none", () => {
  assert.equal(whyUnbounded(file(["Cast", "Gemm", "Sigmoid", "ai.onnx.ml.ZipMap"])), null);
  assert.equal(whyUnbounded(file(["Conv", "LSTM", "Tanh", "ai.onnx.ml.SVMClassifier"])), null);
  for (const op of [
    "Loop",
    "Scan",
    "If",
    "Range",
    "Expand",
    "Tile",
    "NonZero",
    "ConstantOfShape",
    "Pad",
    "mine.Gemm",
  ]) {
    assert.match(whyUnbounded(file(["Cast", op])) ?? "", new RegExp(`it has ${op}`), op);
  }
});

test("a graph with functions of its own may hide a loop behind any name", () => {
  const named = wireBytes(25, [wireBytes(1, "Sigmoid")]);
  assert.match(whyUnbounded(file(["Sigmoid"], [named])) ?? "", /functions of its own/);
});

test("trees that cannot be read as trees, and bytes that are no graph, have no known end", () => {
  assert.notEqual(whyUnbounded(file(["ai.onnx.ml.TreeEnsembleRegressor"])), null);
  assert.notEqual(whyUnbounded(Buffer.from("no graph at all")), null);
});
