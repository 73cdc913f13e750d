import assert from "node:assert/strict";
import { test } from "node:test";
import { feedsOf } from "./model-tensors.ts";
import { loadOnnxRuntime } from "./onnx-runtime.ts";

test("inputs of any name are given what they take", async () => {
  const onnx = await loadOnnxRuntime();
  const inputs = ["__proto__", "constructor"].map((name, column) => {
    return { name, type: "float64", columns: [column] } as const;
  });
  const feeds = feedsOf(onnx, { width: 2, inputs }, Float64Array.of(1, 2, 3, 4), 2);
  assert.deepEqual(
    Object.entries(feeds).map(([name, { dims, data }]) => [name, dims, [...data]]),
    [
      ["__proto__", [2, 1], [1, 3]],
      ["constructor", [2, 1], [2, 4]],
    ],
  );
});
