import { NotNative, type Numbers } from "../native/cells.ts";
import type { Trees } from "../native/trees.ts";

/** Comparisons of the longest way that is explained. */
const depthMost = 500;
/** Ways through all trees that are explained: a row takes some 10 ns for each and its length². */
const waysMost = 65_536;

/**
 * Exact Shapley values of trees: the players are the features, and what a set of them is worth is
 * the mean of the leaves that a row may come to while the others are unknown; at a comparison of an
 * unknown feature both ways are gone, each by its share. For one caller at a time.
 *
 * @see Lundberg, Erion, Lee: Consistent Individualized Feature Attribution for Tree Ensembles
 * (2018), Algorithm 2.
 */
export class TreeShap {
  /** Worth of no feature at all. */
  readonly expected: number;
  readonly #trees: Trees;
  readonly #players: Int32Array;
  readonly #values: Float64Array;
  readonly #shares: Float64Array;
  readonly #paths: Path[] = [];

  /**
   * @param players - by feature of the trees whose it is; several may be one player's.
   * @param values - of the leaves.
   * @throws {NotNative} where the ways are too many or too long.
   */
  constructor(trees: Trees, players: Int32Array, values: Float64Array) {
    const { roots, children } = trees;
    this.#trees = trees;
    this.#players = players;
    this.#values = values;
    const n = trees.features.length;
    const depths = new Int32Array(n);
    const ways = new Float64Array(n);
    const waysOf = (node: number) => (node < 0 ? 1 : (ways[node] as number));
    const order = childrenFirst(trees);
    for (const node of order) {
      const both = [children[2 * node] as number, children[2 * node + 1] as number] as const;
      const [left, right] = both.map((child) => (child < 0 ? 0 : (depths[child] as number)));
      depths[node] = 1 + Math.max(left as number, right as number);
      ways[node] = waysOf(both[0]) + waysOf(both[1]);
    }
    const longest = depths.reduce((most, depth) => Math.max(most, depth), 0);
    if (longest > depthMost) {
      throw new NotNative(`a way through its trees has ${longest} comparisons, over ${depthMost}`);
    }
    const all = roots.reduce((sum, root) => sum + waysOf(root), 0);
    if (all > waysMost) throw new NotNative(`its trees have ${all} ways, over ${waysMost}`);
    this.#shares =
      trees.holdsShares ??
      Float64Array.from({ length: n }, (_, node) => {
        return waysOf(children[2 * node] as number) / (ways[node] as number);
      });
    const means = new Float64Array(n);
    const meanOf = (node: number) => (node < 0 ? values[~node] : means[node]) as number;
    for (const node of order) {
      const share = this.#shares[node] as number;
      const [holds, fails] = [children[2 * node] as number, children[2 * node + 1] as number];
      means[node] = share * meanOf(holds) + (1 - share) * meanOf(fails);
    }
    this.expected = roots.reduce((sum, root) => sum + meanOf(root), 0);
    for (let level = 0; level <= longest; level++) this.#paths.push(new Path(level + 2));
  }

  /** Sum of the leaves that a row comes to. */
  sum(row: Numbers): number {
    const { roots, children } = this.#trees;
    let sum = 0;
    for (const root of roots) {
      let node = root;
      while (node >= 0) {
        node = children[2 * node + (holdsAt(this.#trees, node, row) ? 0 : 1)] as number;
      }
      sum += this.#values[~node] as number;
    }
    return sum;
  }

  /** Adds what each player contributes to the sum of the leaves of a row. */
  add(row: Numbers, contributions: Float64Array): void {
    for (const root of this.#trees.roots) {
      const path = this.#paths[0] as Path;
      path.length = 0;
      path.extend(1, 1, -1);
      this.#visit(root, 0, row, contributions);
    }
  }

  /** The path of the level holds the features that were asked on the way to the node. */
  #visit(node: number, level: number, row: Numbers, contributions: Float64Array): void {
    const path = this.#paths[level] as Path;
    if (node < 0) {
      path.share(this.#values[~node] as number, contributions);
      return;
    }
    const { children, features } = this.#trees;
    const player = this.#players[features[node] as number] as number;
    const share = this.#shares[node] as number;
    const taken = holdsAt(this.#trees, node, row) ? 0 : 1;
    const known = path.find(player);
    const [zero, one] =
      known < 0 ? [1, 1] : [path.zeros[known] as number, path.ones[known] as number];
    if (known >= 0) path.unwind(known);
    for (let way = 0; way < 2; way++) {
      const next = this.#paths[level + 1] as Path;
      next.copy(path);
      next.extend(zero * (way === 0 ? share : 1 - share), way === taken ? one : 0, player);
      this.#visit(children[2 * node + way] as number, level + 1, row, contributions);
    }
  }
}

/** Whether the comparison of a node holds, or a missing value goes as if it did. */
function holdsAt(trees: Trees, node: number, row: Numbers): boolean {
  const value = row[trees.features[node] as number] as number;
  if (Number.isNaN(value)) return trees.missingHolds[node] === 1;
  const threshold = trees.thresholds[node] as number;
  return trees.areEqual[node] === 1 ? value === threshold : value <= threshold;
}

/** Nodes behind those that they lead to. */
function childrenFirst({ roots, children, features }: Trees): number[] {
  const order: number[] = [];
  const seen = new Uint8Array(features.length);
  const open: number[] = [...roots];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node < 0 || seen[node] === 2) continue;
    if (seen[node] === 1) {
      seen[node] = 2;
      order.push(node);
      continue;
    }
    seen[node] = 1;
    open.push(node, children[2 * node] as number, children[2 * node + 1] as number);
  }
  return order;
}

/**
 * The features on a way: of each the share of unknown rows that go on (`zeros`), and whether the
 * row itself does (`ones`); `weights[i]` sums over the sets of i of them.
 */
class Path {
  readonly players: Int32Array;
  readonly zeros: Float64Array;
  readonly ones: Float64Array;
  readonly weights: Float64Array;
  length = 0;

  constructor(most: number) {
    this.players = new Int32Array(most);
    this.zeros = new Float64Array(most);
    this.ones = new Float64Array(most);
    this.weights = new Float64Array(most);
  }

  copy(other: Path): void {
    const { length } = other;
    for (let i = 0; i < length; i++) {
      this.players[i] = other.players[i] as number;
      this.zeros[i] = other.zeros[i] as number;
      this.ones[i] = other.ones[i] as number;
      this.weights[i] = other.weights[i] as number;
    }
    this.length = length;
  }

  /** Index of a player; −1: it is not there. The first one is nobody. */
  find(player: number): number {
    for (let i = 1; i < this.length; i++) if (this.players[i] === player) return i;
    return -1;
  }

  extend(zero: number, one: number, player: number): void {
    const { weights } = this;
    const last = this.length++;
    this.players[last] = player;
    this.zeros[last] = zero;
    this.ones[last] = one;
    weights[last] = last === 0 ? 1 : 0;
    for (let i = last - 1; i >= 0; i--) {
      const weight = weights[i] as number;
      weights[i + 1] = (weights[i + 1] as number) + (one * weight * (i + 1)) / (last + 1);
      weights[i] = (zero * weight * (last - i)) / (last + 1);
    }
  }

  /** Takes one away as if it had never come. */
  unwind(index: number): void {
    const { weights } = this;
    const last = this.length - 1;
    const [zero, one] = [this.zeros[index] as number, this.ones[index] as number];
    let next = weights[last] as number;
    for (let i = last - 1; i >= 0; i--) {
      const weight = weights[i] as number;
      if (one !== 0) {
        const without = (next * (last + 1)) / ((i + 1) * one);
        next = weight - (without * zero * (last - i)) / (last + 1);
        weights[i] = without;
      } else weights[i] = (weight * (last + 1)) / (zero * (last - i));
    }
    for (let i = index; i < last; i++) {
      this.players[i] = this.players[i + 1] as number;
      this.zeros[i] = this.zeros[i + 1] as number;
      this.ones[i] = this.ones[i + 1] as number;
    }
    this.length = last;
  }

  /** Shares the value of the leaf at its end out. */
  share(value: number, contributions: Float64Array): void {
    for (let i = 1; i < this.length; i++) {
      const player = this.players[i] as number;
      const difference = (this.ones[i] as number) - (this.zeros[i] as number);
      contributions[player] =
        (contributions[player] as number) + this.#sumWithout(i) * difference * value;
    }
  }

  /** Sum of the weights that {@link unwind} would leave. */
  #sumWithout(index: number): number {
    const { weights } = this;
    const last = this.length - 1;
    const [zero, one] = [this.zeros[index] as number, this.ones[index] as number];
    let next = weights[last] as number;
    let sum = 0;
    for (let i = last - 1; i >= 0; i--) {
      const weight = weights[i] as number;
      if (one !== 0) {
        const without = (next * (last + 1)) / ((i + 1) * one);
        sum += without;
        next = weight - (without * zero * (last - i)) / (last + 1);
      } else sum += (weight * (last + 1)) / (zero * (last - i));
    }
    return sum;
  }
}
