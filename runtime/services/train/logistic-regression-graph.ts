import type { LogisticModel } from "../../../processors/train/logistic-regression.ts";
import type { Preparation } from "../../../processors/train/preparation.ts";
import { encodeOnnx, type OnnxNode, type OnnxTensor } from "./onnx-writer.ts";

/**
 * ONNX model of a logistic regression with its preparation inside: `features` float32 [N,
 * features], NaN where missing → `probability` float32 [N]. Core operators only (ai.onnx.ml's
 * linear graph gave other bytes at batch 1 than at more).
 */
export function logisticRegressionGraph(
  features: number,
  preparation: Preparation,
  model: LogisticModel,
): Buffer {
  const means = new Float32Array(features);
  const scales = new Float32Array(features).fill(1);
  const weights = columnWeights(features, preparation, model);
  for (const { feature, mean, scale } of preparation.scaled) {
    means[feature] = mean;
    scales[feature] = scale;
  }
  const initializers: OnnxTensor[] = [
    { name: "means", dims: [1, features], data: means },
    { name: "scales", dims: [1, features], data: scales },
    { name: "weights", dims: [weights.length, 1], data: weights },
    { name: "intercept", dims: [1], data: Float32Array.of(model.intercept) },
    { name: "flat", dims: [1], data: BigInt64Array.of(-1n) },
  ];
  const nodes: OnnxNode[] = [
    { op: "IsNaN", inputs: ["features"], outputs: ["missing"] },
    { op: "Where", inputs: ["missing", "means", "features"], outputs: ["present"] },
    { op: "Sub", inputs: ["present", "means"], outputs: ["centred"] },
    { op: "Div", inputs: ["centred", "scales"], outputs: ["scaled"] },
    { op: "Cast", inputs: ["missing"], outputs: ["indicators"], attributes: { to: 1 } },
  ];
  const columns = ["scaled", "indicators"];
  for (const [i, { feature, values }] of preparation.categories.entries()) {
    initializers.push(
      { name: `index_${i}`, dims: [1], data: BigInt64Array.of(BigInt(feature)) },
      { name: `values_${i}`, dims: [1, values.length], data: Float32Array.from(values) },
    );
    nodes.push(
      {
        op: "Gather",
        inputs: ["features", `index_${i}`],
        outputs: [`calendar_${i}`],
        attributes: { axis: 1 },
      },
      { op: "Equal", inputs: [`calendar_${i}`, `values_${i}`], outputs: [`is_${i}`] },
      { op: "Cast", inputs: [`is_${i}`], outputs: [`category_${i}`], attributes: { to: 1 } },
    );
    columns.push(`category_${i}`);
  }
  nodes.push(
    { op: "Concat", inputs: columns, outputs: ["columns"], attributes: { axis: 1 } },
    { op: "Gemm", inputs: ["columns", "weights", "intercept"], outputs: ["odds"] },
    { op: "Sigmoid", inputs: ["odds"], outputs: ["probabilities"] },
    { op: "Reshape", inputs: ["probabilities", "flat"], outputs: ["probability"] },
  );
  return encodeOnnx({
    name: "logistic_regression",
    nodes,
    initializers,
    input: { name: "features", dims: ["N", features] },
    output: { name: "probability", dims: ["N"] },
  });
}

/**
 * Weights over (features scaled, features missing, categories); what a model leaves out weighs 0.
 */
function columnWeights(
  features: number,
  { scaled, indicators, categories }: Preparation,
  { weights }: LogisticModel,
): Float32Array {
  const oneHot = categories.reduce((sum, { values }) => sum + values.length, 0);
  const all = new Float32Array(2 * features + oneHot);
  let column = 0;
  for (const { feature } of scaled) all[feature] = weights[column++] as number;
  for (const feature of indicators) all[features + feature] = weights[column++] as number;
  all.set(weights.subarray(column), 2 * features);
  return all;
}
