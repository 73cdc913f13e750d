import { NotNative } from "./cells.ts";
import { type NodeInput, numbersOf, textsOf } from "./operator.ts";

/**
 * Trees as typed arrays. A node is a number from 0 on, a leaf is a negative one: leaf `i` is `~i`.
 * Every comparison is `value <= threshold` or `value === threshold`; where it holds, the way goes
 * on at `children[2 * node]`, else at the one behind it. Others are these with another threshold
 * or with their ways exchanged.
 */
export interface Trees {
  readonly roots: Int32Array;
  readonly features: Int32Array;
  readonly thresholds: Float64Array;
  readonly children: Int32Array;
  /** 1: by equality. */
  readonly areEqual: Uint8Array;
  /** 1: a missing value goes the way of a comparison that holds. */
  readonly missingHolds: Uint8Array;
  /** Whether no node has either of these: then the comparison says it all. */
  readonly isPlain: boolean;
  /**
   * By node the share of the training's rows for which the comparison held; null where the file
   * does not say (converters write 1 for each node, or nothing).
   */
  readonly holdsShares: Float64Array | null;
  /** First weight of each leaf in the lists that follow, and behind the last leaf their end. */
  readonly leafStarts: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float64Array;
  /** Comparisons of a row whose ways are of mean length. */
  readonly cost: number;
}

/**
 * Reads the attributes of a TreeEnsembleRegressor or TreeEnsembleClassifier.
 *
 * @param prefix - "target" or "class": what the names of the attributes of leaves begin with.
 * @param isDouble - whether values are doubles: thresholds and weights then are, too.
 * @throws {NotNative} where they are no trees.
 * @see https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleRegressor.html
 */
export function readTrees(node: NodeInput, prefix: "target" | "class", isDouble: boolean): Trees {
  const list = (name: string) => numbersOf(node, `nodes_${name}`);
  const [ids, ofTree] = [list("nodeids"), list("treeids")];
  const [truth, falsehood, features] = [
    list("truenodeids"),
    list("falsenodeids"),
    list("featureids"),
  ];
  const modes = textsOf(node, "nodes_modes");
  const values = floatList(node, "nodes_values", isDouble);
  const n = ids.length;
  const all = [ofTree, truth, falsehood, features, modes, values];
  if (n === 0 || all.some(({ length }) => length !== n)) throw new NotNative("its trees are cut");
  const tracks = list("missing_value_tracks_true");
  const places = new Map<string, number>();
  for (let i = 0; i < n; i++) places.set(`${ofTree[i]}/${ids[i]}`, i);
  const at = (tree: number, id: number): number => {
    const found = places.get(`${tree}/${id}`);
    if (found === undefined) throw new NotNative(`tree ${tree} lacks its node ${id}`);
    return found;
  };
  const branches = modes.map((mode, i): Branch | null => {
    if (mode === "LEAF") return null;
    const [tree, threshold] = [ofTree[i] as number, values[i] as number];
    if (Number.isNaN(threshold)) throw new NotNative("a threshold of its trees is missing");
    return {
      ...{ feature: features[i] as number, threshold, mode },
      missingHolds: tracks.length === n && tracks[i] === 1,
      truth: at(tree, truth[i] as number),
      falsehood: at(tree, falsehood[i] as number),
    };
  });
  // The first node of a tree is its root.
  const roots = ofTree.flatMap((tree, i) => (i === 0 || tree !== ofTree[i - 1] ? [i] : []));
  if (new Set(roots.map((root) => ofTree[root])).size !== roots.length) {
    throw new NotNative("the nodes of its trees are mixed");
  }
  const leaves = leafWeights(node, prefix, isDouble, places);
  const built = new Builder(branches, leaves, floatList(node, "nodes_hitrates", true), isDouble);
  for (const root of roots) built.tree(root);
  return built.build(roots);
}

/** An attribute of floats, or of doubles as a tensor. */
export function floatList(node: NodeInput, name: string, isDouble: boolean): readonly number[] {
  const tensor = node.attributes.get(`${name}_as_tensor`)?.tensor ?? null;
  const data = tensor?.data ?? numbersOf(node, name);
  if (!(data instanceof Float64Array)) return data as readonly number[];
  return [...(isDouble ? data : Float32Array.from(data))];
}

interface LeafWeight {
  readonly target: number;
  readonly weight: number;
}

function leafWeights(
  node: NodeInput,
  prefix: string,
  isDouble: boolean,
  places: ReadonlyMap<string, number>,
): ReadonlyMap<number, LeafWeight[]> {
  const list = (name: string) => numbersOf(node, `${prefix}_${name}`);
  const [ids, ofTree, targets] = [list("nodeids"), list("treeids"), list("ids")];
  const weights = floatList(node, `${prefix}_weights`, isDouble);
  if ([ofTree, targets, weights].some(({ length }) => length !== ids.length)) {
    throw new NotNative("the weights of its leaves are cut");
  }
  const leaves = new Map<number, LeafWeight[]>();
  for (let i = 0; i < ids.length; i++) {
    const place = places.get(`${ofTree[i]}/${ids[i]}`);
    if (place === undefined) throw new NotNative("a weight is of no leaf");
    const found = leaves.get(place) ?? [];
    found.push({ target: targets[i] as number, weight: weights[i] as number });
    leaves.set(place, found);
  }
  return leaves;
}

/** A branch as the file has it. */
interface Branch {
  readonly feature: number;
  readonly threshold: number;
  readonly mode: string;
  readonly missingHolds: boolean;
  /** Places in the file. */
  readonly truth: number;
  readonly falsehood: number;
}

/** A branch as {@link Trees} have it. */
interface PlainBranch {
  readonly threshold: number;
  readonly isEqual: boolean;
  readonly holds: number;
  readonly fails: number;
  readonly missingHolds: boolean;
}

/**
 * `v < t` is `v <= t'` for the number t' before t; `>=` and `>` are these with their ways
 * exchanged, and a missing value, for which no comparison holds, goes the other way then.
 */
function plain(branch: Branch, isDouble: boolean): PlainBranch {
  const { mode, threshold, truth, falsehood, missingHolds } = branch;
  const before = () => (isDouble ? doubleBefore(threshold) : floatBefore(threshold));
  const same = { threshold, isEqual: false, holds: truth, fails: falsehood, missingHolds };
  const turned = { ...same, holds: falsehood, fails: truth, missingHolds: !missingHolds };
  if (mode === "BRANCH_LEQ") return same;
  if (mode === "BRANCH_LT") return { ...same, threshold: before() };
  if (mode === "BRANCH_GT") return turned;
  if (mode === "BRANCH_GTE") return { ...turned, threshold: before() };
  if (mode === "BRANCH_EQ") return { ...same, isEqual: true };
  // A missing value is unequal to each, whatever the file says of it.
  if (mode === "BRANCH_NEQ") return { ...turned, isEqual: true, missingHolds: false };
  throw new NotNative(`its trees branch by ${mode}`);
}

export function doubleBefore(value: number): number {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const at = bits.getBigInt64(0);
  if (value === 0) return -Number.MIN_VALUE;
  bits.setBigInt64(0, value > 0 ? at - 1n : at + 1n);
  return bits.getFloat64(0);
}

export function floatBefore(value: number): number {
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, value);
  const at = bits.getInt32(0);
  if (value === 0) return -1.401298464324817e-45;
  bits.setInt32(0, value > 0 ? at - 1 : at + 1);
  return bits.getFloat32(0);
}

/** Whether no way comes to a node twice: nodes are taken away once no other leads to them. */
function hasEnd(children: Int32Array): boolean {
  const before = new Int32Array(children.length / 2);
  for (const child of children) if (child >= 0) before[child] = (before[child] as number) + 1;
  const free = [...before.keys()].filter((node) => before[node] === 0);
  let taken = 0;
  for (let node = free.pop(); node !== undefined; node = free.pop()) {
    taken++;
    for (const child of children.subarray(2 * node, 2 * node + 2)) {
      if (child < 0) continue;
      const left = (before[child] as number) - 1;
      before[child] = left;
      if (left === 0) free.push(child);
    }
  }
  return taken === before.length;
}

/** Numbers nodes and leaves tree by tree, in the order in which ways go down. */
class Builder {
  readonly #branches: readonly (Branch | null)[];
  readonly #leaves: ReadonlyMap<number, readonly LeafWeight[]>;
  readonly #hits: readonly number[];
  readonly #isDouble: boolean;
  /** By place in the file. */
  readonly #numbers: Int32Array;
  readonly #seen: Uint8Array;
  readonly #order: { readonly feature: number; readonly plain: PlainBranch }[] = [];
  readonly #leafStarts = [0];
  readonly #weights: LeafWeight[] = [];
  #cost = 0;

  constructor(
    branches: readonly (Branch | null)[],
    leaves: ReadonlyMap<number, readonly LeafWeight[]>,
    hits: readonly number[],
    isDouble: boolean,
  ) {
    this.#branches = branches;
    this.#leaves = leaves;
    this.#hits = hits;
    this.#isDouble = isDouble;
    this.#numbers = new Int32Array(branches.length);
    this.#seen = new Uint8Array(branches.length);
  }

  tree(root: number): void {
    const open: [place: number, level: number][] = [[root, 0]];
    const leavesBefore = this.#leafStarts.length;
    let levels = 0;
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      const [place, level] = next;
      // The branches of a set of categories lead to one node.
      if (this.#seen[place] === 1) continue;
      this.#seen[place] = 1;
      const branch = this.#branches[place] ?? null;
      if (branch === null) {
        levels += level;
        this.#leaf(place);
        continue;
      }
      const each = plain(branch, this.#isDouble);
      this.#numbers[place] = this.#order.length;
      this.#order.push({ feature: branch.feature, plain: each });
      open.push([each.fails, level + 1], [each.holds, level + 1]);
    }
    this.#cost += 1 + levels / Math.max(1, this.#leafStarts.length - leavesBefore);
  }

  #leaf(place: number): void {
    this.#numbers[place] = ~(this.#leafStarts.length - 1);
    for (const each of this.#leaves.get(place) ?? []) this.#weights.push(each);
    this.#leafStarts.push(this.#weights.length);
  }

  build(roots: readonly number[]): Trees {
    const order = this.#order;
    const numberOf = (place: number) => this.#numbers[place] as number;
    const children = new Int32Array(order.length * 2);
    for (const [i, { plain: each }] of order.entries()) {
      children[2 * i] = numberOf(each.holds);
      children[2 * i + 1] = numberOf(each.fails);
    }
    if (!hasEnd(children)) throw new NotNative("a way through its trees has no end");
    return {
      roots: Int32Array.from(roots, numberOf),
      features: Int32Array.from(order, ({ feature }) => feature),
      thresholds: Float64Array.from(order, ({ plain: each }) => each.threshold),
      children,
      areEqual: Uint8Array.from(order, ({ plain: each }) => (each.isEqual ? 1 : 0)),
      missingHolds: Uint8Array.from(order, ({ plain: each }) => (each.missingHolds ? 1 : 0)),
      isPlain: order.every(({ plain: each }) => !each.isEqual && !each.missingHolds),
      holdsShares: this.#holdsShares(),
      leafStarts: Int32Array.from(this.#leafStarts),
      targets: Int32Array.from(this.#weights, ({ target }) => target),
      weights: Float64Array.from(this.#weights, ({ weight }) => weight),
      cost: this.#cost,
    };
  }

  #holdsShares(): Float64Array | null {
    const hits = this.#hits;
    const areKnown =
      hits.length === this.#branches.length &&
      hits.every((hit) => hit > 0 && Number.isFinite(hit)) &&
      hits.some((hit) => hit !== hits[0]);
    if (!areKnown) return null;
    return Float64Array.from(this.#order, ({ plain: { holds, fails } }) => {
      const [held, failed] = [hits[holds] as number, hits[fails] as number];
      return held / (held + failed);
    });
  }
}
