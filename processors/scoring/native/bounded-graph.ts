import { readOnnxGraph } from "../onnx/onnx-graph.ts";
import { NotNative } from "./cells.ts";
import { operators } from "./operators.ts";
import { readTrees } from "./trees.ts";

/** What converters write behind a score, besides what is computed here: labels, maps of them. */
const besides: ReadonlySet<string> = new Set(["ArgMax", "ai.onnx.ml.ZipMap"]);

const trees: Readonly<Record<string, "target" | "class">> = {
  "ai.onnx.ml.TreeEnsembleRegressor": "target",
  "ai.onnx.ml.TreeEnsembleClassifier": "class",
};

/**
 * Why the time that a model's rows take may depend on what is in them; null: it has an end that is
 * the same for all, whoever computes it. So it is where all nodes are of operators that go once
 * over cells as many as the file says, and all trees have ends: loops, and tensors that are as
 * large as a value says (`Range`, `Expand`), are none of these.
 */
export function whyUnbounded(bytes: Uint8Array): string | null {
  try {
    const { nodes, unread } = readOnnxGraph(bytes);
    if (unread?.startsWith("functions")) return `it has ${unread}`;
    for (const { op, attributes } of nodes) {
      if (!operators.has(op) && !besides.has(op)) return `it has ${op}, which may take any time`;
      const prefix = trees[op];
      if (prefix === undefined) continue;
      readTrees({ inputs: [], attributes, opset: 0, wanted: new Set() }, prefix, false);
    }
    return null;
  } catch (error) {
    if (error instanceof NotNative || error instanceof RangeError) return error.message;
    throw error;
  }
}
