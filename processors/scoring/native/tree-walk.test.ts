/** Every way to walk trees, held against the plainest one: a node at a time, as the file has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { OnnxAttribute } from "../onnx/onnx-graph.ts";
import { layOut } from "./tree-layout.ts";
import { branching, treeWalk } from "./tree-walk.ts";
import { readTrees } from "./trees.ts";

interface Leaf {
  readonly leaf: number;
}
interface Branch {
  readonly feature: number;
  readonly mode: string;
  readonly threshold: number;
  readonly tracks: number;
  readonly holds: Made;
  readonly fails: Made;
}
/** The same object in two places is one node, to which two ways lead. */
type Made = Leaf | Branch;

const features = 3;
const modes = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const [least, largest] = [1.401298464324817e-45, 3.4028234663852886e38];
const ends = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, largest, -largest];
/** Few values, so that those of rows stand at thresholds. */
const thresholds = [0, -0, least, -least, 1, -1, 2.5, -2.5, Math.fround(0.1), ...ends];
const values = [...thresholds, Number.NaN, 1 + 2 ** -23, -1 - 2 ** -23, 3, -3];

/** What a row comes to, as the standard says it. */
function plainWalk(tree: Made, row: ArrayLike<number>): number {
  let node = tree;
  while (!("leaf" in node)) {
    const value = row[node.feature] as number;
    const { mode, threshold } = node;
    const holds =
      (mode === "BRANCH_LEQ" && value <= threshold) ||
      (mode === "BRANCH_LT" && value < threshold) ||
      (mode === "BRANCH_GTE" && value >= threshold) ||
      (mode === "BRANCH_GT" && value > threshold) ||
      (mode === "BRANCH_EQ" && value === threshold) ||
      (mode === "BRANCH_NEQ" && value !== threshold) ||
      (node.tracks === 1 && Number.isNaN(value));
    node = holds ? node.holds : node.fails;
  }
  return node.leaf;
}

function attribute(given: Partial<OnnxAttribute>): OnnxAttribute {
  return { numbers: [], texts: [], tensor: null, ...given } as OnnxAttribute;
}

/** Trees as a file has them; the weight of a leaf is its number. */
function treesOf(made: readonly Made[], isDouble = false) {
  const lists = new Map<string, number[]>();
  const put = (name: string, value: number) => {
    lists.set(name, [...(lists.get(name) ?? []), value]);
  };
  const texts: string[] = [];
  for (const [tree, root] of made.entries()) {
    const ids = new Map<Made, number>([[root, 0]]);
    const idOf = (node: Made): number => {
      const known = ids.get(node) ?? ids.size;
      ids.set(node, known);
      return known;
    };
    // Grows while it is read.
    for (const [node, id] of ids) {
      const isLeaf = "leaf" in node;
      put("nodes_treeids", tree);
      put("nodes_nodeids", id);
      put("nodes_featureids", isLeaf ? 0 : node.feature);
      put("nodes_values", isLeaf ? 0 : node.threshold);
      put("nodes_missing_value_tracks_true", isLeaf ? 0 : node.tracks);
      put("nodes_truenodeids", isLeaf ? 0 : idOf(node.holds));
      put("nodes_falsenodeids", isLeaf ? 0 : idOf(node.fails));
      texts.push(isLeaf ? "LEAF" : node.mode);
      if (!isLeaf) continue;
      put("target_treeids", tree);
      put("target_nodeids", id);
      put("target_ids", 0);
      put("target_weights", node.leaf);
    }
  }
  const attributes = new Map<string, OnnxAttribute>();
  for (const [name, numbers] of lists) attributes.set(name, attribute({ numbers }));
  attributes.set("nodes_modes", attribute({ texts }));
  return readTrees({ inputs: [], attributes, opset: 0, wanted: new Set() }, "target", isDouble);
}

function madeTree(of: readonly string[]): fc.Arbitrary<Made> {
  return fc.letrec<{ tree: Made; leaf: Leaf; branch: Branch }>((tie) => ({
    tree: fc.oneof({ maxDepth: 6, withCrossShrink: true }, tie("leaf"), tie("branch")),
    leaf: fc.record({ leaf: fc.nat({ max: 1_000 }) }),
    branch: fc
      .record({
        feature: fc.nat({ max: features - 1 }),
        mode: fc.constantFrom(...of),
        threshold: fc.constantFrom(...thresholds),
        tracks: fc.nat({ max: 1 }),
        holds: tie("tree"),
        fails: tie("tree"),
        isOfSet: fc.boolean(),
      })
      // A node of a set of categories: another comparison leads to the same node.
      .map(({ isOfSet, ...branch }) =>
        isOfSet ? { ...branch, fails: { ...branch, threshold: 2.5, fails: branch.fails } } : branch,
      ),
  })).tree;
}

/** Whole trees of one depth: laid out whatever else is asked. */
const full = (of: readonly string[]) =>
  fc
    .array(
      fc.tuple(
        fc.nat({ max: features - 1 }),
        fc.constantFrom(...of),
        fc.constantFrom(...thresholds),
        fc.nat({ max: 1 }),
      ),
      { minLength: 15, maxLength: 15 },
    )
    .map((nodes) => {
      const at = (i: number): Made => {
        const node = nodes[i];
        if (node === undefined) return { leaf: i };
        const [feature, mode, threshold, tracks] = node;
        const ways = { holds: at(2 * i + 1), fails: at(2 * i + 2) };
        return { feature, mode, threshold, tracks, ...ways };
      };
      return at(0);
    });

const rowsOf = fc.array(
  fc.array(fc.constantFrom(...values), { minLength: features, maxLength: features }),
  { minLength: 1, maxLength: 30 },
);

for (const of of [...modes.map((mode) => [mode]), modes]) {
  test(`a row comes to the leaf that the plainest walk finds: ${of.join(", ")}`, () => {
    const laidOut = { float: 0, double: 0 };
    const ensembles = fc.oneof(
      fc.array(madeTree(of), { minLength: 1, maxLength: 9 }),
      fc.array(full(of), { minLength: 4, maxLength: 21 }),
    );
    fc.assert(
      fc.property(ensembles, rowsOf, fc.boolean(), (made, rows, isDouble) => {
        const trees = treesOf(made, isDouble);
        if (layOut(trees, isDouble) !== null) laidOut[isDouble ? "double" : "float"]++;
        const row = isDouble ? new Float64Array(features) : new Float32Array(features);
        const walks = [treeWalk(trees, row), branching(trees, row)];
        for (const each of rows) {
          row.set(each);
          const expected = made.map((tree) => plainWalk(tree, row));
          for (const { walk, leaves } of walks) {
            walk();
            const found = expected.map(
              (_, tree) => trees.weights[trees.leafStarts[leaves[tree] as number] as number],
            );
            assert.deepEqual(found, expected);
          }
        }
      }),
    );
    for (const each of ["float", "double"] as const) {
      assert.ok(laidOut[each] > 10, `${laidOut[each]} of ${each}s were walked side by side`);
    }
  });
}

const branch = (threshold: number, holds: Made, fails: Made): Branch => ({
  ...{ feature: 0, mode: "BRANCH_LEQ", tracks: 0 },
  ...{ threshold, holds, fails },
});

test("a missing value is one whatever its bits, and minus zero is zero", () => {
  const tracks = { ...branch(Number.POSITIVE_INFINITY, { leaf: 1 }, { leaf: 2 }), tracks: 1 };
  const never = branch(Number.POSITIVE_INFINITY, { leaf: 3 }, { leaf: 4 });
  const zero = { ...branch(-0, { leaf: 5 }, { leaf: 6 }), mode: "BRANCH_EQ" };
  const deep = (tree: Branch): Made => branch(Number.NEGATIVE_INFINITY, tree, tree);
  const trees = treesOf([tracks, never, zero, tracks, never, zero, tracks, never].map(deep));
  assert.notEqual(layOut(trees), null);
  const row = new Float32Array(1);
  const bits = new Uint32Array(row.buffer);
  const { walk, leaves } = treeWalk(trees, row);
  const found = (each: number): unknown => {
    bits[0] = each;
    walk();
    return [0, 1, 2].map((tree) => trees.weights[leaves[tree] as number]);
  };
  for (const missing of [0x7fc00000, 0xffc00000, 0x7f800001, 0xff800001, 0xffffffff, 0x7fffffff]) {
    assert.deepEqual(found(missing), [1, 4, 6], missing.toString(16));
  }
  for (const each of [0, 0x80000000]) assert.deepEqual(found(each), [1, 3, 5]);
});

test("nodes that several ways lead to stand once, and what is deep where ways are short is not laid out", () => {
  // Two ways lead to each node: 2^30 of them.
  const doubled = (levels: number): Made => {
    let tree: Made = { leaf: 1 };
    for (let level = 0; level < levels; level++) tree = branch(level, tree, tree);
    return tree;
  };
  for (const isDouble of [false, true]) {
    const shared = layOut(treesOf([1, 2, 3, 4].map(() => doubled(30))), isDouble);
    assert.equal(shared?.words.length, 4 * 31 * (isDouble ? 2 : 4));
    assert.deepEqual([...(shared?.levels ?? [])], [30]);
  }
  const chain = (length: number): Made => {
    let tree: Made = { leaf: 0 };
    for (let level = length; level > 0; level--) tree = branch(level, { leaf: level }, tree);
    return tree;
  };
  const short = branch(1, { leaf: 1 }, { leaf: 2 });
  assert.equal(layOut(treesOf([chain(200), short, short, short])), null);
  const even = Array.from({ length: 40 }, () => branch(1, short, short));
  const laid = layOut(treesOf(even));
  assert.ok(laid !== null && laid.cost < treesOf(even).cost);
  // Each tree compares for equality with a value of its own: a cell for each would cost more.
  const own = Array.from({ length: 5_000 }, (_, i) => ({
    ...short,
    mode: "BRANCH_EQ",
    threshold: i,
  }));
  const ordered = layOut(treesOf(own));
  assert.deepEqual([ordered?.cells.equal.length, ordered?.cells.ordered.length], [0, 1]);
  const few = own.map((each, i) => ({ ...each, threshold: i % 3 }));
  assert.equal(layOut(treesOf(few))?.cells.equal.length, 3);
});
