import type { Numbers } from "./cells.ts";
import { cellBits, fillDoubles, fillKeys, lanes, layOut, type TreeLayout } from "./tree-layout.ts";
import type { Trees } from "./trees.ts";

/** Finds the leaves that a row comes to. */
export interface TreeWalk {
  /** By tree the leaf of the row that was walked last; behind the last tree nothing that counts. */
  readonly leaves: Int32Array;
  readonly walk: () => void;
  /** What a row costs, in comparisons that are branches. */
  readonly cost: number;
}

/** How leaves are found in a row that stands in `row`, of the values that trees compare. */
export function treeWalk(trees: Trees, row: Numbers): TreeWalk {
  const layout = layOut(trees, row instanceof Float64Array);
  if (layout === null) return branching(trees, row);
  return row instanceof Float32Array ? sideBySide(layout, row) : doubles(layout, row);
}

/** Level by level without a branch, so that no processor has to guess the way of a row. */
function sideBySide(
  { words, roots, levels, cells, cost }: TreeLayout,
  row: Float32Array,
): TreeWalk {
  const bits = new Int32Array(row.buffer, row.byteOffset, row.length);
  const keys = new Int32Array(1 + cells.ordered.length + cells.equal.length);
  const leaves = new Int32Array(roots.length);
  const walk = (): void => {
    fillKeys(cells, row, bits, keys);
    walkLanes(words, keys, roots, levels, leaves);
  };
  return { leaves, walk, cost };
}

function walkLanes(
  words: Int32Array,
  keys: Int32Array,
  roots: Int32Array,
  levels: Int32Array,
  leaves: Int32Array,
): void {
  for (let group = 0, tree = 0; group < levels.length; group++, tree += lanes) {
    let a = roots[tree] as number;
    let b = roots[tree + 1] as number;
    let c = roots[tree + 2] as number;
    let d = roots[tree + 3] as number;
    for (let level = levels[group] as number; level > 0; level--) {
      a = nextPlace(words, keys, a);
      b = nextPlace(words, keys, b);
      c = nextPlace(words, keys, c);
      d = nextPlace(words, keys, d);
    }
    leaves[tree] = leafAt(words, a);
    leaves[tree + 1] = leafAt(words, b);
    leaves[tree + 2] = leafAt(words, c);
    leaves[tree + 3] = leafAt(words, d);
  }
}

/** The same of doubles. */
function doubles(layout: TreeLayout, row: Float64Array): TreeWalk {
  const { words, roots, levels, cells, cost } = layout;
  const thresholds = layout.thresholds ?? new Float64Array();
  const held = new Float64Array(1 + cells.ordered.length + cells.equal.length);
  const leaves = new Int32Array(roots.length);
  const walk = (): void => {
    fillDoubles(cells, row, held);
    walkDoubles(words, thresholds, held, roots, levels, leaves);
  };
  return { leaves, walk, cost };
}

function walkDoubles(
  words: Int32Array,
  thresholds: Float64Array,
  held: Float64Array,
  roots: Int32Array,
  levels: Int32Array,
  leaves: Int32Array,
): void {
  for (let group = 0, tree = 0; group < levels.length; group++, tree += lanes) {
    let a = roots[tree] as number;
    let b = roots[tree + 1] as number;
    let c = roots[tree + 2] as number;
    let d = roots[tree + 3] as number;
    for (let level = levels[group] as number; level > 0; level--) {
      a = nextDouble(words, thresholds, held, a);
      b = nextDouble(words, thresholds, held, b);
      c = nextDouble(words, thresholds, held, c);
      d = nextDouble(words, thresholds, held, d);
    }
    leaves[tree] = heldLeaf(thresholds, a);
    leaves[tree + 1] = heldLeaf(thresholds, b);
    leaves[tree + 2] = heldLeaf(thresholds, c);
    leaves[tree + 3] = heldLeaf(thresholds, d);
  }
}

function nextDouble(
  words: Int32Array,
  thresholds: Float64Array,
  held: Float64Array,
  place: number,
): number {
  const word = words[place] as number;
  // NaN is at most nothing.
  const isSecond = !((held[word & cellMask] as number) <= (thresholds[place] as number));
  return (word >>> cellBits) + +isSecond;
}

function heldLeaf(thresholds: Float64Array, place: number): number {
  const leaf = thresholds[place] as number;
  return leaf < 0 ? ~leaf : leaf;
}

const cellMask = (1 << cellBits) - 1;

/** A comparison as a number is an instruction, where a choice between two would be a branch. */
function nextPlace(words: Int32Array, keys: Int32Array, place: number): number {
  const word = words[place] as number;
  const isSecond = (keys[word & cellMask] as number) > (words[place + 2] as number);
  return (word >>> cellBits) + +isSecond;
}

function leafAt(words: Int32Array, place: number): number {
  const leaf = words[place + 2] as number;
  return leaf ^ (leaf >> 31);
}

/** Tree by tree, as far as the row's way goes. */
export function branching(trees: Trees, row: Numbers): TreeWalk {
  const { roots, cost } = trees;
  const leafOf = trees.isPlain ? plainLeaf(trees, row) : anyLeaf(trees, row);
  const leaves = new Int32Array(roots.length);
  const walk = (): void => {
    for (let tree = 0; tree < roots.length; tree++) leaves[tree] = leafOf(roots[tree] as number);
  };
  return { leaves, walk, cost };
}

type LeafOf = (root: number) => number;

function plainLeaf({ features, thresholds, children }: Trees, row: Numbers): LeafOf {
  return (root) => {
    let node = root;
    while (node >= 0) {
      const holds = (row[features[node] as number] as number) <= (thresholds[node] as number);
      node = (holds ? children[2 * node] : children[2 * node + 1]) as number;
    }
    return ~node;
  };
}

function anyLeaf(trees: Trees, row: Numbers): LeafOf {
  const { features, thresholds, children, areEqual, missingHolds } = trees;
  return (root) => {
    let node = root;
    while (node >= 0) {
      const value = row[features[node] as number] as number;
      const threshold = thresholds[node] as number;
      const holds =
        // biome-ignore lint/suspicious/noSelfCompare: NaN, without a call.
        value !== value
          ? missingHolds[node] === 1
          : areEqual[node] === 1
            ? value === threshold
            : value <= threshold;
      node = (holds ? children[2 * node] : children[2 * node + 1]) as number;
    }
    return ~node;
  };
}
