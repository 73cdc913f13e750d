import { type Cells, NotNative, newCells } from "./cells.ts";
import {
  type BuiltNode,
  type NodeInput,
  numberOf,
  numbersOf,
  type Operator,
  tableOf,
  textOf,
  textsOf,
} from "./operator.ts";
import { logisticFloat, type PostTransform, postTransform } from "./post-transform.ts";
import { type TreeWalk, treeWalk } from "./tree-walk.ts";
import { floatList, readTrees, type Trees } from "./trees.ts";

const fround = Math.fround;
const exact = (value: number): number => value;

/** Trees over the row of a node; sums are as wide as its values. */
interface Ensemble {
  readonly trees: Trees;
  readonly walk: TreeWalk;
  readonly round: (value: number) => number;
  readonly baseValues: readonly number[];
  readonly transform: PostTransform | null;
}

function ensembleOf(node: NodeInput, prefix: "target" | "class"): Ensemble {
  const cells = tableOf(node, 0);
  const isDouble = cells.type === "float64";
  const trees = readTrees(node, prefix, isDouble);
  const [width = 0] = cells.dims;
  if (trees.features.some((feature) => feature < 0 || feature >= width)) {
    throw new NotNative(`its trees ask for more than ${width} features`);
  }
  return {
    trees,
    walk: treeWalk(trees, cells.numbers),
    round: isDouble ? exact : fround,
    baseValues: floatList(node, "base_values", isDouble),
    transform: postTransform(textOf(node, "post_transform", "NONE")),
  };
}

/** Adds the weights of a leaf up, by target. */
type Add = (sum: number, weight: number) => number;

/** The first weight of a target starts its smallest or largest: NaN until then. */
const starts = (better: (weight: number, sum: number) => boolean): Add => {
  return (sum, weight) => (Number.isNaN(sum) || better(weight, sum) ? weight : sum);
};

/** Walks all trees: leaves in `sums` the scores by target, and in `has` which got any. */
function scorer({ trees, walk, round }: Ensemble, sums: Float64Array, add: Add, start: number) {
  const { roots, leafStarts, targets, weights } = trees;
  const { leaves } = walk;
  const has = new Uint8Array(sums.length);
  if (targets.some((target) => target < 0 || target >= sums.length)) {
    throw new NotNative("a weight of its trees is of no target");
  }
  const score = (): void => {
    sums.fill(start);
    has.fill(0);
    walk.walk();
    for (let tree = 0; tree < roots.length; tree++) {
      const leaf = leaves[tree] as number;
      const end = leafStarts[leaf + 1] as number;
      for (let i = leafStarts[leaf] as number; i < end; i++) {
        const target = targets[i] as number;
        sums[target] = round(add(sums[target] as number, weights[i] as number));
        has[target] = 1;
      }
    }
  };
  return { score, has };
}

/** Of one target the sum alone is kept, in a variable. */
function summer({ trees, walk, round }: Ensemble): () => number {
  const { roots, leafStarts, weights } = trees;
  const { leaves } = walk;
  const ofLeaf = Float64Array.from({ length: leafStarts.length - 1 }, (_, leaf) => {
    const [from, to] = [leafStarts[leaf] as number, leafStarts[leaf + 1] as number];
    if (to - from > 1) throw new NotNative("a leaf has several weights of one target");
    return to > from ? (weights[from] as number) : 0;
  });
  return () => {
    walk.walk();
    let sum = 0;
    for (let tree = 0; tree < roots.length; tree++) {
      sum = round(sum + (ofLeaf[leaves[tree] as number] as number));
    }
    return sum;
  };
}

/** ai.onnx.ml TreeEnsembleRegressor: the answer of each target, in float. */
export const treeRegressor: Operator = (node) => {
  const ensemble = ensembleOf(node, "target");
  const { trees, round, baseValues, transform } = ensemble;
  const targets = numberOf(node, "n_targets", 1);
  const output = newCells("float32", [targets]);
  const aggregate = textOf(node, "aggregate_function", "SUM");
  const n = aggregate === "AVERAGE" ? trees.roots.length : 1;
  const outputs = [output];
  const { cost } = ensemble.walk;
  if (targets === 1) {
    const [base = 0] = baseValues.length === 1 ? baseValues : [];
    // onnxruntime applies no transform but PROBIT to a single target.
    if (aggregate === "SUM" || aggregate === "AVERAGE") {
      const sum = summer(ensemble);
      const step = () => {
        output.numbers[0] = round(round(sum() / n) + base);
      };
      return { outputs, step, cost };
    }
  }
  const add = addOf(aggregate);
  const isEnd = aggregate === "MIN" || aggregate === "MAX";
  const sums = new Float64Array(targets);
  const { score } = scorer(ensemble, sums, add, isEnd ? Number.NaN : 0);
  const bases = baseValues.length === targets ? baseValues : null;
  const step = () => {
    score();
    for (let target = 0; target < targets; target++) {
      const sum = sums[target] as number;
      const own = Number.isNaN(sum) && isEnd ? 0 : round(sum / n);
      output.numbers[target] = bases === null ? own : round(own + (bases[target] as number));
    }
    if (targets > 1) transform?.(output.numbers as Float32Array);
  };
  return { outputs, step, cost };
};

function addOf(aggregate: string): Add {
  if (aggregate === "SUM" || aggregate === "AVERAGE") return (sum, weight) => sum + weight;
  if (aggregate === "MIN") return starts((weight, sum) => weight < sum);
  if (aggregate === "MAX") return starts((weight, sum) => weight > sum);
  throw new NotNative(`it aggregates by ${aggregate}`);
}

/** ai.onnx.ml TreeEnsembleClassifier: the score of each class, in float; its label is not given. */
export const treeClassifier: Operator = (node): BuiltNode => {
  if (node.wanted.has(0)) throw new NotNative("its label is asked for");
  const classes =
    textsOf(node, "classlabels_strings").length || numbersOf(node, "classlabels_int64s").length;
  if (classes < 2) throw new NotNative("it has one class");
  const ensemble = ensembleOf(node, "class");
  const { cost } = ensemble.walk;
  const output = newCells("float32", [classes]);
  const outputs = [output, output];
  const step = classes === 2 ? ofTwo(ensemble, output) : ofMany(ensemble, output);
  return { outputs, step, cost };
};

function ofMany(ensemble: Ensemble, { numbers }: Cells) {
  const { baseValues, round, transform } = ensemble;
  const sums = new Float64Array(numbers.length);
  const { score } = scorer(ensemble, sums, addOf("SUM"), 0);
  if (baseValues.length > sums.length) throw new NotNative("it has more base values than classes");
  return () => {
    score();
    for (let i = 0; i < sums.length; i++) {
      const base = baseValues[i];
      numbers[i] = base === undefined ? (sums[i] as number) : round((sums[i] as number) + base);
    }
    transform?.(numbers as Float32Array);
  };
}

/**
 * Two classes have one score where the weights are all of one class: what the other one's is
 * depends on the transform, and without one on whether weights are negative.
 */
function ofTwo(ensemble: Ensemble, { numbers }: Cells) {
  const { baseValues, round, transform, trees } = ensemble;
  const sums = new Float64Array(2);
  const { score, has } = scorer(ensemble, sums, addOf("SUM"), 0);
  const [first = 0, second = 0] = baseValues;
  const bases = baseValues.length;
  if (bases > 2) throw new NotNative("it has more base values than classes");
  const isSingle = new Set(trees.targets).size === 1;
  const areAllPositive = trees.weights.every((weight) => !(weight < 0));
  const isLogistic = transform === postTransform("LOGISTIC");
  const one = (score: number): void => {
    const sum = fround(score);
    if (!isSingle) [numbers[0], numbers[1]] = [sum, 0];
    else if (isLogistic) [numbers[0], numbers[1]] = [logisticFloat(-sum), logisticFloat(sum)];
    else [numbers[0], numbers[1]] = [areAllPositive ? fround(1 - sum) : -sum, sum];
  };
  if (isSingle && trees.targets[0] === 0 && bases < 2) {
    const sum = summer(ensemble);
    return () => one(round(sum() + first));
  }
  return () => {
    score();
    const [left, right] = [sums[0] as number, sums[1] as number];
    const [hasLeft, hasRight] = [has[0] === 1, has[1] === 1];
    if (!hasRight && bases < 2) {
      one(round(left + first));
      return;
    }
    // A class that got no weight has 0, whatever its base value.
    if (bases === 2 && hasRight) {
      const sum = round(second + left);
      [numbers[0], numbers[1]] = [hasLeft ? -sum : 0, sum];
    } else {
      numbers[0] = hasLeft ? round(left + first) : 0;
      numbers[1] = hasRight ? right : 0;
    }
    transform?.(numbers as Float32Array);
  };
}
