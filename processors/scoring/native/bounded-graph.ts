import { readOnnxGraph } from "../onnx/onnx-graph.ts";
import { NotNative } from "./cells.ts";
import { operators } from "./operators.ts";
import { readTrees } from "./trees.ts";

/**
 * What is not computed here, and goes over its cells as often as the file says all the same: labels
 * and maps of them, and what networks, support vectors and scalers are made of. None makes a tensor
 * as large as a value says, none has a graph of its own.
 */
const besides: ReadonlySet<string> = new Set([
  ...["ArgMax", "ArgMin", "Constant", "Dropout", "Shape", "Size", "Split", "Squeeze", "Unsqueeze"],
  ...["Transpose", "And", "Or", "Not", "Xor", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"],
  ...["Max", "Min", "Mean", "Sum", "Clip", "Sign", "Floor", "Ceil", "Round", "Mod", "IsInf"],
  ...["Pow", "Sqrt", "Reciprocal", "Log", "Erf", "Sin", "Cos", "Tan", "Tanh", "Atan"],
  ...["ReduceMax", "ReduceMin", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2"],
  ...["ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"],
  ...["LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "HardSigmoid", "HardSwish", "Mish"],
  ...["Softplus", "Softsign", "LogSoftmax", "Hardmax", "ThresholdedRelu"],
  ...["BatchNormalization", "InstanceNormalization", "LayerNormalization"],
  ...["Conv", "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"],
  ...["LSTM", "GRU", "RNN", "Einsum"],
  ...["ai.onnx.ml.ZipMap", "ai.onnx.ml.Binarizer", "ai.onnx.ml.CategoryMapper"],
  ...["ai.onnx.ml.FeatureVectorizer", "ai.onnx.ml.SVMClassifier", "ai.onnx.ml.SVMRegressor"],
]);

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
