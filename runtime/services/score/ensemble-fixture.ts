import { wireBytes, wireNumber } from "../../../processors/scoring/onnx/wire.ts";
import { seededRandom } from "../../../processors/train/seeded-random-fixture.ts";

/** What a made-up ensemble looks like. */
export interface EnsembleShape {
  readonly kind: "regressor" | "classifier";
  readonly trees: number;
  readonly depth: number;
  readonly features: number;
  /** Targets or classes. */
  readonly targets: number;
  readonly modes: readonly string[];
  readonly tracksMissing: boolean;
  readonly transform: string;
  readonly aggregate: string;
  readonly baseValues: number;
  /** Whether each leaf has a weight for every target. @default one for one of them */
  readonly everyTarget?: boolean;
  /** Of classifiers: all weights are of this class. */
  readonly only?: number;
  readonly positive?: boolean;
  /** Whether the file says how many rows came to each node. @default false */
  readonly hasHits?: boolean;
  /** Doubles, given as tensors. */
  readonly isDouble?: boolean;
}

export const plainEnsemble: EnsembleShape = {
  kind: "regressor",
  trees: 20,
  depth: 5,
  features: 8,
  targets: 1,
  modes: ["BRANCH_LEQ"],
  tracksMissing: false,
  transform: "NONE",
  aggregate: "SUM",
  baseValues: 0,
};

/** Values that rows and thresholds are of: so that they meet. */
export function madeValue(random: (below: number) => number): number {
  const value = random(41) / 4 - 5;
  return random(3) === 0 ? value + random(1000) / 3000 : value;
}

/** Nodes and leaves in lists, as the attributes of an ensemble have them. */
function madeTrees(shape: EnsembleShape, random: (below: number) => number) {
  const nodes = { tree: [], id: [], feature: [], holds: [], fails: [], tracks: [] } as Record<
    "tree" | "id" | "feature" | "holds" | "fails" | "tracks",
    number[]
  >;
  const values: number[] = [];
  const modes: string[] = [];
  const leaves = { tree: [] as number[], id: [] as number[], target: [] as number[] };
  const weights: number[] = [];
  const leaf = (tree: number, id: number): void => {
    const all = Array.from({ length: shape.targets }, (_, target) => target);
    const own = shape.everyTarget ? all : [shape.only ?? random(shape.targets)];
    for (const target of own) {
      leaves.tree.push(tree);
      leaves.id.push(id);
      leaves.target.push(target);
      const weight = random(10_000) / 20_000 - (shape.positive ? 0 : 0.25);
      weights.push(weight / (shape.positive ? shape.trees / 2 : 1));
    }
  };
  for (let tree = 0; tree < shape.trees; tree++) {
    let ids = 0;
    const add = (level: number): number => {
      const id = ids++;
      const at = nodes.id.length;
      const isLeaf = level === shape.depth || (level > 1 && random(5) === 0);
      nodes.tree.push(tree);
      nodes.id.push(id);
      nodes.feature.push(isLeaf ? 0 : random(shape.features));
      nodes.tracks.push(!isLeaf && shape.tracksMissing ? random(2) : 0);
      nodes.holds.push(0);
      nodes.fails.push(0);
      values.push(isLeaf ? 0 : madeValue(random));
      modes.push(isLeaf ? "LEAF" : (shape.modes[random(shape.modes.length)] as string));
      if (isLeaf) leaf(tree, id);
      else {
        nodes.holds[at] = add(level + 1);
        nodes.fails[at] = add(level + 1);
      }
      return id;
    };
    add(0);
  }
  return { nodes, values, modes, leaves, weights };
}

/** Leaves have 1 to 9 rows, nodes those of both their children. */
function madeHits(
  { trees }: EnsembleShape,
  { tree, holds, fails }: Readonly<Record<"tree" | "holds" | "fails", readonly number[]>>,
): number[] {
  const random = seededRandom(`hits of ${trees}`);
  const hits = new Array<number>(tree.length).fill(0);
  for (let at = tree.length - 1; at >= 0; at--) {
    const first = tree.indexOf(tree[at] as number);
    const child = (id: number | undefined) => hits[first + (id ?? 0)] as number;
    // A leaf leads nowhere: to its own root.
    hits[at] = holds[at] === 0 ? 1 + random(9) : child(holds[at]) + child(fails[at]);
  }
  return hits;
}

/** An ONNX file of made-up trees: equal seeds and shapes give equal bytes. */
export function ensembleFile(shape: EnsembleShape, seed: string): Buffer {
  const { nodes, values, modes, leaves, weights } = madeTrees(shape, seededRandom(seed));
  const isRegressor = shape.kind === "regressor";
  const prefix = isRegressor ? "target" : "class";
  const floats = shape.isDouble ? doubles : floatsAttribute;
  const bases = Array.from({ length: shape.baseValues }, (_, i) => 0.1 + i / 7);
  const attributes = [
    ints("nodes_treeids", nodes.tree),
    ints("nodes_nodeids", nodes.id),
    ints("nodes_featureids", nodes.feature),
    ints("nodes_truenodeids", nodes.holds),
    ints("nodes_falsenodeids", nodes.fails),
    ...(shape.tracksMissing ? [ints("nodes_missing_value_tracks_true", nodes.tracks)] : []),
    ...(shape.hasHits ? [floats("nodes_hitrates", madeHits(shape, nodes))] : []),
    floats("nodes_values", values),
    texts("nodes_modes", modes),
    ints(`${prefix}_treeids`, leaves.tree),
    ints(`${prefix}_nodeids`, leaves.id),
    ints(`${prefix}_ids`, leaves.target),
    floats(`${prefix}_weights`, weights),
    ...(bases.length > 0 ? [floats("base_values", bases)] : []),
    text("post_transform", shape.transform),
    ...(isRegressor
      ? [int("n_targets", shape.targets), text("aggregate_function", shape.aggregate)]
      : [ints("classlabels_int64s", [...Array(shape.targets).keys()])]),
  ];
  const outputs = isRegressor ? ["scores"] : ["label", "scores"];
  const node = [
    wireBytes(1, "features"),
    ...outputs.map((name) => wireBytes(2, name)),
    wireBytes(4, isRegressor ? "TreeEnsembleRegressor" : "TreeEnsembleClassifier"),
    ...attributes.map((each) => wireBytes(5, each)),
    wireBytes(7, "ai.onnx.ml"),
  ];
  const table = (name: string, type: number, width: number) => [
    wireBytes(1, name),
    wireBytes(2, [
      wireBytes(1, [
        wireNumber(1, type),
        wireBytes(2, [wireBytes(1, [wireBytes(2, "N")]), wireBytes(1, [wireNumber(1, width)])]),
      ]),
    ]),
  ];
  return Buffer.concat([
    wireNumber(1, 8),
    wireBytes(7, [
      wireBytes(1, node),
      wireBytes(2, "ensemble"),
      wireBytes(11, table("features", shape.isDouble ? 11 : 1, shape.features)),
      wireBytes(12, table("scores", 1, shape.targets)),
    ]),
    wireBytes(8, [wireBytes(1, ""), wireNumber(2, 17)]),
    wireBytes(8, [wireBytes(1, "ai.onnx.ml"), wireNumber(2, 3)]),
  ]);
}

/** Rows for it: some values missing, some infinite, many that stand at thresholds. */
export function ensembleRows(n: number, features: number, seed: string): Float64Array {
  const random = seededRandom(seed);
  return Float64Array.from({ length: n * features }, () => {
    const odd = random(50);
    if (odd < 3) return Number.NaN;
    if (odd === 3) return Number.POSITIVE_INFINITY;
    return odd === 4 ? Number.NEGATIVE_INFINITY : madeValue(random);
  });
}

const typed = (name: string, type: number, parts: readonly Uint8Array[]): Uint8Array[] => [
  wireBytes(1, name),
  ...parts,
  wireNumber(20, type),
];

function int(name: string, value: number): Uint8Array[] {
  return typed(name, 2, [wireNumber(3, value)]);
}

function ints(name: string, values: readonly number[]): Uint8Array[] {
  return typed(
    name,
    7,
    values.map((value) => wireNumber(8, value)),
  );
}

function text(name: string, value: string): Uint8Array[] {
  return typed(name, 3, [wireBytes(4, value)]);
}

function texts(name: string, values: readonly string[]): Uint8Array[] {
  return typed(
    name,
    8,
    values.map((value) => wireBytes(9, value)),
  );
}

function floatsAttribute(name: string, values: readonly number[]): Uint8Array[] {
  return typed(name, 6, [wireBytes(7, [bytesOf(Float32Array.from(values))])]);
}

function doubles(name: string, values: readonly number[]): Uint8Array[] {
  const data = bytesOf(Float64Array.from(values));
  const tensor = [wireNumber(1, values.length), wireNumber(2, 11), wireBytes(9, [data])];
  return typed(`${name}_as_tensor`, 4, [wireBytes(5, tensor)]);
}

function bytesOf({ buffer }: Float32Array | Float64Array): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer);
}
