import { NotNative, type Numbers, newCells } from "./cells.ts";
import {
  floatsOf,
  type NodeInput,
  numberOf,
  numbersOf,
  type Operator,
  tableOf,
  textOf,
  textsOf,
  weightsOf,
} from "./operator.ts";
import { postTransform } from "./post-transform.ts";

const fround = Math.fround;

/** Sums in the order of the features, as wide as the output; the intercept comes last. */
function product(
  row: Numbers,
  weight: (feature: number, target: number) => number,
  intercepts: ArrayLike<number> | null,
  output: Numbers,
): () => void {
  const features = row.length;
  const targets = output.length;
  const isDouble = output instanceof Float64Array;
  const table = new Float64Array(features * targets);
  for (let target = 0; target < targets; target++) {
    for (let i = 0; i < features; i++) table[target * features + i] = weight(i, target);
  }
  return () => {
    let at = 0;
    for (let target = 0; target < targets; target++) {
      let sum = 0;
      for (let i = 0; i < features; i++) {
        const next = sum + (row[i] as number) * (table[at++] as number);
        sum = isDouble ? next : fround(next);
      }
      output[target] = intercepts === null ? sum : sum + (intercepts[target] as number);
    }
  };
}

/** ai.onnx.ml LinearRegressor. */
export const linearRegressor: Operator = (node) => {
  const { numbers: row } = tableOf(node, 0);
  const targets = numberOf(node, "targets", 1);
  const output = newCells("float32", [targets]);
  const transform = postTransform(textOf(node, "post_transform", "NONE"));
  if (transform !== null && targets === 1) throw new NotNative("it transforms a single target");
  const coefficients = numbersOf(node, "coefficients");
  const features = row.length;
  if (coefficients.length !== features * targets) throw new NotNative("its coefficients are cut");
  const own = numbersOf(node, "intercepts");
  const sums = product(
    asFloats(row),
    (feature, target) => coefficients[target * features + feature] as number,
    own.length === targets ? own : null,
    output.numbers,
  );
  const step = () => {
    sums();
    transform?.(output.numbers as Float32Array);
  };
  return { outputs: [output], step, cost: coefficients.length };
};

/** ai.onnx.ml LinearClassifier: the score of each class; its label is not given. */
export const linearClassifier: Operator = (node) => {
  if (node.wanted.has(0)) throw new NotNative("its label is asked for");
  const cells = tableOf(node, 0);
  const coefficients = numbersOf(node, "coefficients");
  const intercepts = numbersOf(node, "intercepts");
  const features = cells.numbers.length;
  const targets = intercepts.length;
  const classes =
    textsOf(node, "classlabels_strings").length || numbersOf(node, "classlabels_ints").length;
  if (targets !== classes || targets < 2 || coefficients.length !== features * targets) {
    throw new NotNative("it has not an intercept and coefficients for each class");
  }
  const output = newCells("float32", [classes]);
  const row = new Float32Array(features);
  const sums = product(
    row,
    (feature, target) => coefficients[target * features + feature] as number,
    intercepts,
    output.numbers,
  );
  const transform = postTransform(textOf(node, "post_transform", "NONE"));
  const step = () => {
    row.set(cells.numbers);
    sums();
    transform?.(output.numbers as Float32Array);
  };
  return { outputs: [output, output], step, cost: coefficients.length };
};

/** onnxruntime takes floats alone. */
function asFloats(row: Numbers): Float32Array {
  if (row instanceof Float32Array) return row;
  throw new NotNative("it takes doubles");
}

/** MatMul of a row by a table of weights. */
export const matMul: Operator = (node) => {
  const cells = tableOf(node, 0);
  const weights = weightsOf(node, 1);
  const { dims } = node.inputs[1] ?? { dims: [] };
  const [features = 0, targets = 0] = dims;
  if (dims.length !== 2 || features !== cells.numbers.length) throw new NotNative("no table");
  const output = newCells(cells.type, [targets]);
  const at = (feature: number, target: number) => weights[feature * targets + target] as number;
  return {
    outputs: [output],
    step: product(cells.numbers, at, null, output.numbers),
    cost: weights.length,
  };
};

/** Gemm of a row: alpha and beta are 1, as everybody has them. */
export const gemm: Operator = (node) => {
  const cells = tableOf(node, 0);
  const weights = weightsOf(node, 1);
  const { dims } = node.inputs[1] ?? { dims: [] };
  const isTurned = numberOf(node, "transB", 0) !== 0;
  const [rows = 0, columns = 0] = dims;
  const [features, targets] = isTurned ? [columns, rows] : [rows, columns];
  const isPlain = numberOf(node, "alpha", 1) === 1 && numberOf(node, "beta", 1) === 1;
  if (!isPlain || numberOf(node, "transA", 0) !== 0) throw new NotNative("it scales or turns");
  if (dims.length !== 2 || features !== cells.numbers.length) throw new NotNative("no table");
  const output = newCells(cells.type, [targets]);
  const at = (feature: number, target: number) =>
    weights[isTurned ? target * features + feature : feature * targets + target] as number;
  const added = node.inputs[2] == null ? null : interceptsOf(node, targets);
  return {
    outputs: [output],
    step: product(cells.numbers, at, added, output.numbers),
    cost: weights.length,
  };
};

function interceptsOf(node: NodeInput, targets: number): Numbers {
  const found = weightsOf(node, 2);
  if (found.length === targets) return found;
  if (found.length === 1) return new Float64Array(targets).fill(found[0] as number);
  throw new NotNative("it adds what is no row");
}

/** ai.onnx.ml Scaler, in float. */
export const scaler: Operator = (node) => {
  const { numbers: row, dims } = tableOf(node, 0);
  const spread = (name: string, otherwise: number) => {
    const found = numbersOf(node, name);
    if (found.length !== row.length && found.length > 1) throw new NotNative(`${name} is cut`);
    return Float32Array.from(row, (_, i) => found[found.length === 1 ? 0 : i] ?? otherwise);
  };
  const [offset, scale] = [spread("offset", 0), spread("scale", 1)];
  const output = newCells("float32", dims);
  const step = () => {
    for (let i = 0; i < row.length; i++) {
      const centred = fround(fround(row[i] as number) - (offset[i] as number));
      output.numbers[i] = centred * (scale[i] as number);
    }
  };
  return { outputs: [output], step, cost: row.length };
};

/** ai.onnx.ml Normalizer: by the largest value, the sum or the length of the row. */
export const normalizer: Operator = (node) => {
  const { numbers: row, dims } = tableOf(node, 0);
  const output = newCells("float32", dims);
  const norm = textOf(node, "norm", "MAX");
  const by: Readonly<Record<string, (sum: number, value: number) => number>> = {
    MAX: (most, value) => Math.max(most, value),
    L1: (sum, value) => fround(sum + Math.abs(value)),
    L2: (sum, value) => fround(sum + fround(value * value)),
  };
  const add = by[norm];
  if (add === undefined) throw new NotNative(`it normalizes by ${norm}`);
  const step = () => {
    let sum = norm === "MAX" ? Number.NEGATIVE_INFINITY : 0;
    for (const value of row) sum = add(sum, fround(value));
    const length = norm === "L2" ? fround(Math.sqrt(sum)) : sum;
    for (let i = 0; i < row.length; i++) {
      output.numbers[i] = length === 0 ? (row[i] as number) : (row[i] as number) / length;
    }
  };
  return { outputs: [output], step, cost: row.length * 2 };
};

/** ai.onnx.ml Imputer of numbers. */
export const imputer: Operator = (node) => {
  const { numbers: row, dims, type } = floatsOf(node, 0);
  const values = numbersOf(node, "imputed_value_floats");
  if (type !== "float32" || values.length === 0) throw new NotNative(`it imputes ${type}`);
  const replaced = numberOf(node, "replaced_value_float", 0);
  const output = newCells(type, dims);
  const isMissing = Number.isNaN(replaced);
  const step = () => {
    for (let i = 0; i < row.length; i++) {
      const value = row[i] as number;
      const goes = isMissing ? Number.isNaN(value) : value === replaced;
      output.numbers[i] = goes ? (values[values.length === row.length ? i : 0] as number) : value;
    }
  };
  return { outputs: [output], step, cost: row.length };
};
