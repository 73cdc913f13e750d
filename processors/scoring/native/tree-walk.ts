import type { Numbers } from "./cells.ts";
import type { Trees } from "./trees.ts";

/** The leaf of a tree that a row comes to. */
export type WalkTree = (root: number) => number;

/** How leaves are found in a row that stands in `row`, of the values that trees compare. */
export function treeWalk(trees: Trees, row: Numbers): WalkTree {
  const { features, thresholds, children, areEqual, missingHolds } = trees;
  if (trees.isPlain) {
    return (root) => {
      let node = root;
      while (node >= 0) {
        const holds = (row[features[node] as number] as number) <= (thresholds[node] as number);
        node = (holds ? children[2 * node] : children[2 * node + 1]) as number;
      }
      return ~node;
    };
  }
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
