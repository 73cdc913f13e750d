import type { LogisticModel } from "../../../processors/train/logistic-regression.ts";
import type { Preparation } from "../../../processors/train/preparation.ts";
import { encodeOnnx, type OnnxNode, type OnnxTensor, onnxTypes } from "./onnx-writer.ts";

/**
 * ONNX model of a logistic regression with its preparation inside: `features` float64 [N,
 * features], NaN where missing → `probability` float32 [N]. Scaling is done in double, as in the
 * fit: a large mean would eat a small spread in float. Core operators only (ai.onnx.ml's linear
 * graph gave other bytes at batch 1 than at more).
 */
export function logisticRegressionGraph(
  features: number,
  preparation: Preparation,
  model: LogisticModel,
): Buffer {
  const graph = new Columns();
  addScaled(graph, preparation);
  addIndicators(graph, preparation);
  for (const [i, { feature, values }] of preparation.categories.entries()) {
    const calendar = graph.gather(`calendar_${i}`, [feature]);
    const known = graph.constant(`values_${i}`, [1, values.length], Float64Array.from(values));
    graph.column(graph.node("Equal", [calendar, known], `is_${i}`));
  }
  const { columns } = preparation;
  graph.constant("weights", [columns, 1], Float32Array.from(model.weights));
  graph.constant("intercept", [1], Float32Array.of(model.intercept));
  graph.constant("flat", [1], BigInt64Array.of(-1n));
  graph.node("Concat", graph.columns, "columns", { axis: 1 });
  graph.node("Gemm", ["columns", "weights", "intercept"], "odds");
  graph.node("Sigmoid", ["odds"], "probabilities");
  graph.node("Reshape", ["probabilities", "flat"], "probability");
  return encodeOnnx({
    name: "logistic_regression",
    nodes: graph.nodes,
    initializers: graph.initializers,
    input: { name: "features", type: onnxTypes.double, dims: ["N", features] },
    output: { name: "probability", type: onnxTypes.float, dims: ["N"] },
  });
}

/** (x − mean) / scale, 0 where missing. */
function addScaled(graph: Columns, { scaled }: Preparation): void {
  if (scaled.length === 0) return;
  const row = [1, scaled.length];
  const means = Float64Array.from(scaled, ({ mean }) => mean);
  const scales = Float64Array.from(scaled, ({ scale }) => scale);
  graph.constant("means", row, means);
  graph.constant("scales", row, scales);
  const values = scaled.map(({ feature }) => feature);
  const given = graph.gather("given", values);
  graph.node("IsNaN", [given], "missing");
  graph.node("Where", ["missing", "means", given], "present");
  graph.node("Sub", ["present", "means"], "centred");
  graph.column(graph.node("Div", ["centred", "scales"], "scaled"));
}

/** 1 where missing, else 0. */
function addIndicators(graph: Columns, { indicators }: Preparation): void {
  if (indicators.length === 0) return;
  const given = graph.gather("sometimes", indicators);
  graph.column(graph.node("IsNaN", [given], "gone"));
}

/** Nodes and constants of a graph, and the float columns that they make, in order. */
class Columns {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxTensor[] = [];
  readonly columns: string[] = [];

  constant(name: string, dims: readonly number[], data: OnnxTensor["data"]): string {
    this.initializers.push({ name, dims, data });
    return name;
  }

  node(
    op: string,
    inputs: readonly string[],
    output: string,
    attributes: OnnxNode["attributes"] = {},
  ): string {
    this.nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  /** Some of the features, by index. */
  gather(output: string, features: readonly number[]): string {
    const index = BigInt64Array.from(features, BigInt);
    this.constant(`${output}_index`, [features.length], index);
    return this.node("Gather", ["features", `${output}_index`], output, { axis: 1 });
  }

  column(from: string): void {
    this.columns.push(this.node("Cast", [from], `${from}_column`, { to: onnxTypes.float }));
  }
}
