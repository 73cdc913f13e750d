import { doubleBefore, floatBefore, type Trees } from "./trees.ts";

/** Trees that are walked side by side: what one waits for, the others hide. */
export const lanes = 4;

/** Bits of a word that say which cell it compares. */
export const cellBits = 12;
const cellsMost = 1 << cellBits;

/** Words that the other bits can reach. */
const wordsMost = 1 << (32 - cellBits);

/** A comparison that is always made costs this part of one that is a branch. */
const costPart = 1 / 3;

/** Keys below and above those of all numbers. */
const [lowest, highest] = [-0x8000_0000, 0x7fff_ffff];

/**
 * Trees as they are walked without a branch. Children stand in pairs of words that say where each
 * goes on (the first word of a pair, above {@link cellBits} bits of the cell that it compares); in
 * `words` of floats their two thresholds follow, those of doubles stand at their words' places in
 * `thresholds`. Every float is a key, a whole number of the same order. Where the key of the cell
 * is not at most the threshold, the second child is next. A leaf leads to itself: cell 0 is 0, and
 * the threshold is the number `i` of the leaf in a first place and `~i` in a second one. So each
 * tree can be walked as many levels as the deepest beside it has.
 */
export interface TreeLayout {
  readonly words: Int32Array;
  /** Null: of floats. */
  readonly thresholds: Float64Array | null;
  /** First places, of {@link lanes} trees each; the last are made up with a leaf. */
  readonly roots: Int32Array;
  /** Levels by group of {@link lanes} trees. */
  readonly levels: Int32Array;
  readonly cells: RowCells;
  /** What a row costs, in comparisons that are branches. */
  readonly cost: number;
}

/** Which cells a row has behind cell 0: first those that are compared by order, then the others. */
export interface RowCells {
  readonly ordered: Int32Array;
  /** The key of a missing value. */
  readonly orderedMissing: Int32Array;
  /** Of these the cell is the lowest key where a value is the one that is asked for. */
  readonly equal: Int32Array;
  readonly equalTo: Float64Array;
  readonly equalMissing: Int32Array;
}

/**
 * Lays trees out.
 *
 * @param isDouble - whether they compare doubles.
 * @returns null where walking all levels would take longer than branching does, as in deep trees
 * whose ways are mostly short.
 */
export function layOut(trees: Trees, isDouble = false): TreeLayout | null {
  const plain = placedTrees(trees, isDouble);
  if (!trees.areEqual.includes(1)) return plain;
  // Of many single values each would want a cell of its own: two more levels may cost less.
  const ordered = placedTrees(byOrder(trees, isDouble), isDouble);
  return plain === null || (ordered !== null && ordered.cost < plain.cost) ? ordered : plain;
}

/** Equality by two comparisons: `v === t` is `v <= t` but not `v <= t'` for the number before t. */
function byOrder(trees: Trees, isDouble: boolean): Trees {
  const [features, missingHolds] = [[...trees.features], [...trees.missingHolds]];
  const [thresholds, children] = [[...trees.thresholds], [...trees.children]];
  for (const [node, isEqual] of trees.areEqual.entries()) {
    if (isEqual === 0) continue;
    const [holds, fails] = children.slice(2 * node, 2 * node + 2) as [number, number];
    const threshold = thresholds[node] as number;
    const second = features.length;
    features.push(features[node] as number);
    missingHolds.push(missingHolds[node] as number);
    thresholds.push(threshold);
    children.push(holds, fails);
    missingHolds[node] = 0;
    thresholds[node] = isDouble ? doubleBefore(threshold) : floatBefore(threshold);
    [children[2 * node], children[2 * node + 1]] = [fails, second];
  }
  return {
    ...trees,
    features: Int32Array.from(features),
    thresholds: Float64Array.from(thresholds),
    children: Int32Array.from(children),
    areEqual: new Uint8Array(features.length),
    missingHolds: Uint8Array.from(missingHolds),
  };
}

function placedTrees(trees: Trees, isDouble: boolean): TreeLayout | null {
  if (isDouble && isHeldByNone(trees)) return null;
  const { cells, cellOf } = rowCells(trees);
  const width = 1 + cells.ordered.length + cells.equal.length;
  if (width > cellsMost) return null;
  const { features, roots } = trees;
  const most = Math.min(wordsMost, 4 * 3 * (features.length + roots.length));
  const placed = new Placed(trees, cellOf, most, isDouble);
  const levels: number[] = [];
  const first: number[] = [];
  for (let tree = 0; tree < roots.length; tree += lanes) {
    let deepest = 0;
    for (let lane = 0; lane < lanes; lane++) {
      const place = placed.pair();
      first.push(place);
      const depth = placed.tree(roots[tree + lane] ?? ~0, place);
      if (depth === null) return null;
      deepest = Math.max(deepest, depth);
    }
    levels.push(deepest);
  }
  const cost = (lanes * levels.reduce((sum, each) => sum + each, 0) + width) * costPart;
  if (cost > trees.cost) return null;
  return {
    words: placed.words(),
    thresholds: placed.thresholds(),
    roots: Int32Array.from(first),
    levels: Int32Array.from(levels),
    cells,
    cost,
  };
}

/** Whether a missing value holds where no number does: no double says so. */
function isHeldByNone({ thresholds, missingHolds }: Trees): boolean {
  return thresholds.some((each, node) => Number.isNaN(each) && missingHolds[node] === 1);
}

/** Which cells the nodes compare, each once. */
function rowCells({ features, thresholds, areEqual, missingHolds }: Trees) {
  const ordered = new Map<string, number>();
  const equal = new Map<string, number>();
  const names = Array.from(features, (feature, node) => {
    const isEqual = areEqual[node] === 1;
    const name = `${feature} ${missingHolds[node]}${isEqual ? ` ${thresholds[node]}` : ""}`;
    const known = isEqual ? equal : ordered;
    if (!known.has(name)) known.set(name, node);
    return name;
  });
  const [orderedNodes, equalNodes] = [[...ordered.values()], [...equal.values()]];
  const featuresOf = (nodes: readonly number[]) =>
    Int32Array.from(nodes, (node) => features[node] as number);
  const missingOf = (nodes: readonly number[]) =>
    Int32Array.from(nodes, (node) => (missingHolds[node] === 1 ? lowest : highest));
  const cells: RowCells = {
    ordered: featuresOf(orderedNodes),
    orderedMissing: missingOf(orderedNodes),
    equal: featuresOf(equalNodes),
    equalTo: Float64Array.from(equalNodes, (node) => thresholds[node] as number),
    equalMissing: missingOf(equalNodes),
  };
  const numbers = new Map([...ordered.keys(), ...equal.keys()].map((name, i) => [name, i + 1]));
  return { cells, cellOf: (node: number) => numbers.get(names[node] as string) as number };
}

/** Pairs of children, level by level: those of a tree stand together, its first levels closest. */
class Placed {
  readonly #trees: Trees;
  readonly #cellOf: (node: number) => number;
  readonly #most: number;
  readonly #words: number[] = [];
  /** By the places of their words; null: they stand among the words, as keys. */
  readonly #thresholds: number[] | null;
  /** By node the pair of its children: all ways to a node share it. */
  readonly #pairs = new Map<number, number>();
  /** By node the levels below it. */
  readonly #levels = new Map<number, number>();

  constructor(trees: Trees, cellOf: (node: number) => number, most: number, isDouble: boolean) {
    this.#trees = trees;
    this.#cellOf = cellOf;
    this.#most = most;
    this.#thresholds = isDouble ? [] : null;
  }

  /** Room for two, who are leaf 0 until they are something else. */
  pair(): number {
    const place = this.#words.length;
    if (this.#thresholds === null) this.#words.push(0, 0, 0, 0);
    else this.#words.push(0, 0);
    this.#leaf(place, 0);
    this.#leaf(place + 1, 0);
    return place;
  }

  /** Places a node with all that it leads to. @returns its levels; null: there is no room. */
  tree(root: number, place: number): number | null {
    const { children, thresholds, areEqual } = this.#trees;
    const words = this.#words;
    const open: (readonly [node: number, place: number])[] = [[root, place]];
    // Grows while it is read.
    for (const [node, at] of open) {
      if (node < 0) {
        this.#leaf(at, ~node);
        continue;
      }
      if (words.length >= this.#most) return null;
      const known = this.#pairs.get(node);
      const next = known ?? this.pair();
      words[at] = (next << cellBits) | this.#cellOf(node);
      const threshold = areEqual[node] === 1 ? 0 : (thresholds[node] as number);
      if (this.#thresholds === null) words[at + 2] = keyOf(threshold);
      else this.#thresholds[at] = threshold;
      if (known !== undefined) continue;
      this.#pairs.set(node, next);
      open.push([children[2 * node] as number, next]);
      open.push([children[2 * node + 1] as number, next + 1]);
    }
    return this.#levelsOf(root);
  }

  /** Of the longest way. */
  #levelsOf(root: number): number {
    const { children } = this.#trees;
    const levels = this.#levels;
    const known = (node: number) => (node < 0 ? 0 : levels.get(node));
    const open = [root];
    for (let node = open.at(-1); node !== undefined; node = open.at(-1)) {
      const [holds, fails] = [children[2 * node] as number, children[2 * node + 1] as number];
      const [left, right] = [known(holds), known(fails)];
      if (known(node) === undefined && left === undefined) open.push(holds);
      else if (known(node) === undefined && right === undefined) open.push(fails);
      else {
        if (node >= 0) levels.set(node, 1 + Math.max(left ?? 0, right ?? 0));
        open.pop();
      }
    }
    return known(root) ?? 0;
  }

  #leaf(place: number, leaf: number): void {
    const isSecond = place % 2 === 1;
    const told = isSecond ? ~leaf : leaf;
    this.#words[place] = (place - (isSecond ? 1 : 0)) << cellBits;
    if (this.#thresholds === null) this.#words[place + 2] = told;
    else this.#thresholds[place] = told;
  }

  words(): Int32Array {
    return Int32Array.from(this.#words);
  }

  thresholds(): Float64Array | null {
    return this.#thresholds && Float64Array.from(this.#thresholds);
  }
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** Of a threshold; below all where no value is at most as great, as before minus infinity. */
function keyOf(threshold: number): number {
  if (Number.isNaN(threshold)) return lowest;
  // No key is that of -0: a value of -0 is below 0 and above all others that are.
  float[0] = threshold + 0;
  const each = bits[0] as number;
  return each ^ ((each >> 31) & highest);
}

/**
 * Makes the keys of a row's cells.
 *
 * @param row - the values, and `bits` what they are made of.
 */
export function fillKeys(
  cells: RowCells,
  row: Float32Array,
  bits: Int32Array,
  keys: Int32Array,
): void {
  const { ordered, orderedMissing, equal, equalTo, equalMissing } = cells;
  for (let i = 0; i < ordered.length; i++) {
    const each = bits[ordered[i] as number] as number;
    const key = each ^ ((each >> 31) & highest);
    const missing = -((each & highest) > 0x7f80_0000);
    keys[i + 1] = (key & ~missing) | ((orderedMissing[i] as number) & missing);
  }
  const from = ordered.length + 1;
  for (let i = 0; i < equal.length; i++) {
    const value = row[equal[i] as number] as number;
    // biome-ignore lint/suspicious/noSelfCompare: NaN, without a call.
    const isMissing = value !== value;
    const key = value === equalTo[i] ? lowest : highest;
    keys[from + i] = isMissing ? (equalMissing[i] as number) : key;
  }
}

/**
 * Makes what a row's cells hold where they are doubles: a value itself. A missing one stays NaN,
 * which is at most no threshold, where it does not hold.
 */
export function fillDoubles(cells: RowCells, row: Float64Array, held: Float64Array): void {
  const { ordered, orderedMissing, equal, equalTo, equalMissing } = cells;
  for (let i = 0; i < ordered.length; i++) {
    const value = row[ordered[i] as number] as number;
    // biome-ignore lint/suspicious/noSelfCompare: NaN, without a call.
    const isHeld = value !== value && (orderedMissing[i] as number) < 0;
    held[i + 1] = isHeld ? Number.NEGATIVE_INFINITY : value;
  }
  const from = ordered.length + 1;
  for (let i = 0; i < equal.length; i++) {
    const value = row[equal[i] as number] as number;
    // biome-ignore lint/suspicious/noSelfCompare: NaN, without a call.
    const isMissing = value !== value;
    const key = value === equalTo[i] ? lowest : highest;
    held[from + i] = isMissing ? (equalMissing[i] as number) : key;
  }
}
