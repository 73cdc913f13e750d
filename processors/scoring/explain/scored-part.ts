import { NotNative, type Numbers } from "../native/cells.ts";
import {
  type NodeInput,
  numberOf,
  numbersOf,
  tableOf,
  textOf,
  textsOf,
  weightsOf,
} from "../native/operator.ts";
import { floatList, readTrees, type Trees } from "../native/trees.ts";
import { TreeShap } from "./tree-shap.ts";

/** What an unknown feature is taken to be: see `docs/serving.md`. */
export type ExplainedBy = "hitrates" | "leaves" | "coefficients";

/** A sum over trees or features that a model makes of a row, shared out. */
export interface ScoredSum {
  /** Worth of no feature. */
  readonly expected: number;
  readonly by: ExplainedBy;
  /** The sum for the row that stands in the node's input. */
  sum(): number;
  /** Adds to each player what it contributes to the sum. */
  add(contributions: Float64Array): void;
}

/** A cell that a node gives, as a multiple of one of its sums. */
export interface ScoreCell {
  readonly index: number;
  readonly scale: number;
  readonly shift: number;
  /** Whether a function of it follows, by which it is no value but a margin. */
  readonly isMargin: boolean;
}

/** The node of a model that adds up what features say. */
export interface ScoredPart {
  readonly cells: readonly ScoreCell[];
  /** @param players - by column of the node's input. */
  sum(index: number, players: Int32Array): ScoredSum;
}

type ReadPart = (node: NodeInput) => ScoredPart;

const plainCells = (count: number, isMargin: boolean): ScoreCell[] =>
  Array.from({ length: count }, (_, index) => ({ index, scale: 1, shift: 0, isMargin }));

function readEnsemble(node: NodeInput, prefix: "target" | "class") {
  const cells = tableOf(node, 0);
  const isDouble = cells.type === "float64";
  const trees = readTrees(node, prefix, isDouble);
  const bases = floatList(node, "base_values", isDouble);
  const sum: ScoredPart["sum"] = (index, players) => treeSum(trees, cells.numbers, index, players);
  return { trees, bases, sum, transforms: textOf(node, "post_transform", "NONE") !== "NONE" };
}

function treeSum(trees: Trees, row: Numbers, target: number, players: Int32Array): ScoredSum {
  const { leafStarts, targets, weights, holdsShares } = trees;
  const values = Float64Array.from({ length: leafStarts.length - 1 }, (_, leaf) => {
    let value = 0;
    for (let i = leafStarts[leaf] as number; i < (leafStarts[leaf + 1] as number); i++) {
      if (targets[i] === target) value += weights[i] as number;
    }
    return value;
  });
  const shap = new TreeShap(trees, players, values);
  return {
    expected: shap.expected,
    by: holdsShares === null ? "leaves" : "hitrates",
    sum: () => shap.sum(row),
    add: (contributions) => shap.add(row, contributions),
  };
}

const treeRegressor: ReadPart = (node) => {
  const { bases, sum, transforms, trees } = readEnsemble(node, "target");
  const aggregate = textOf(node, "aggregate_function", "SUM");
  if (aggregate !== "SUM" && aggregate !== "AVERAGE") {
    throw new NotNative(`it aggregates by ${aggregate}, which is no sum`);
  }
  const targets = numberOf(node, "n_targets", 1);
  const scale = aggregate === "AVERAGE" ? 1 / trees.roots.length : 1;
  const cells = plainCells(targets, transforms && targets > 1).map((cell) => {
    const shift = bases.length === targets ? (bases[cell.index] as number) : 0;
    return { ...cell, scale, shift };
  });
  return { cells, sum };
};

const treeClassifier: ReadPart = (node) => {
  const classes =
    textsOf(node, "classlabels_strings").length || numbersOf(node, "classlabels_int64s").length;
  const { bases, sum, transforms, trees } = readEnsemble(node, "class");
  if (classes !== 2) {
    const cells = plainCells(classes, transforms);
    return { cells: cells.map((cell) => ({ ...cell, shift: bases[cell.index] ?? 0 })), sum };
  }
  const isSingle = new Set(trees.targets).size === 1 && trees.targets[0] === 0;
  if (!isSingle) {
    if (bases.length > 0) throw new NotNative("it has base values for two scores of two classes");
    return { cells: plainCells(2, transforms), sum };
  }
  if (bases.length > 1) throw new NotNative("it has two base values for one score");
  // One score, of the second class; the first one's is its negative, or what is left of 1.
  const isLogistic = textOf(node, "post_transform", "NONE") === "LOGISTIC";
  const isShare = !isLogistic && trees.weights.every((weight) => !(weight < 0));
  const [shift = 0] = bases;
  const second = { index: 0, scale: 1, shift, isMargin: isLogistic };
  const first = { index: 0, scale: -1, shift: (isShare ? 1 : 0) - shift, isMargin: isLogistic };
  return { cells: [first, second], sum };
};

/** Coefficient × value; the intercept is what a row of zeros gets. */
function linear(
  row: Numbers,
  weight: (column: number, target: number) => number,
  intercepts: readonly number[],
  isMargin: boolean,
): ScoredPart {
  return {
    cells: plainCells(intercepts.length, isMargin),
    sum: (index, players) => {
      const expected = intercepts[index] as number;
      const term = (column: number) => (row[column] as number) * weight(column, index);
      return {
        expected,
        by: "coefficients",
        sum: () => {
          let sum = expected;
          for (let column = 0; column < row.length; column++) sum += term(column);
          return sum;
        },
        add: (contributions) => {
          for (let column = 0; column < row.length; column++) {
            const player = players[column] as number;
            contributions[player] = (contributions[player] as number) + term(column);
          }
        },
      };
    },
  };
}

/** ai.onnx.ml LinearRegressor and LinearClassifier. */
const linearModel =
  (targetsOf: (node: NodeInput) => number): ReadPart =>
  (node) => {
    const { numbers: row } = tableOf(node, 0);
    const coefficients = numbersOf(node, "coefficients");
    const intercepts = numbersOf(node, "intercepts");
    const targets = targetsOf(node);
    if (coefficients.length !== row.length * targets) {
      throw new NotNative("its coefficients are cut");
    }
    const all = Array.from({ length: targets }, (_, target) => intercepts[target] ?? 0);
    const at = (column: number, target: number) =>
      coefficients[target * row.length + column] as number;
    return linear(row, at, all, textOf(node, "post_transform", "NONE") !== "NONE");
  };

/** MatMul and Gemm by weights. */
const product: ReadPart = (node) => {
  const { numbers: row } = tableOf(node, 0);
  const weights = weightsOf(node, 1);
  const [rows = 0, columns = 0] = node.inputs[1]?.dims ?? [];
  const isTurned = numberOf(node, "transB", 0) !== 0;
  const [features, targets] = isTurned ? [columns, rows] : [rows, columns];
  const isPlain = numberOf(node, "alpha", 1) === 1 && numberOf(node, "beta", 1) === 1;
  if (features !== row.length || !isPlain || numberOf(node, "transA", 0) !== 0) {
    throw new NotNative("it is no product of the row by a table");
  }
  const added = node.inputs[2] == null ? [0] : [...weightsOf(node, 2)];
  const intercepts = Array.from({ length: targets }, (_, target) => {
    return (added.length === 1 ? added[0] : added[target]) ?? Number.NaN;
  });
  const at = (column: number, target: number) =>
    weights[isTurned ? target * features + column : column * targets + target] as number;
  return linear(row, at, intercepts, false);
};

/** By the operator of the node. */
export const scoredParts: ReadonlyMap<string, ReadPart> = new Map(
  Object.entries({
    Gemm: product,
    MatMul: product,
    "ai.onnx.ml.LinearClassifier": linearModel((node) => numbersOf(node, "intercepts").length),
    "ai.onnx.ml.LinearRegressor": linearModel((node) => numberOf(node, "targets", 1)),
    "ai.onnx.ml.TreeEnsembleClassifier": treeClassifier,
    "ai.onnx.ml.TreeEnsembleRegressor": treeRegressor,
  }),
);
