import { type Cells, NotNative, sizeOf } from "../native/cells.ts";
import type { BuiltNode, NodeInput } from "../native/operator.ts";

/** Of a cell that is the same for every row. */
export const constantOrigin = -1;

/** By cell of a row which player it depends on. */
export type Origins = readonly number[];

/** Operators whose output cells are some of their input cells, in another order. */
const moving = new Set(
  ["Identity", "Concat", "Gather", "Slice", "Reshape", "Flatten"].concat(
    "ai.onnx.ml.ArrayFeatureExtractor",
  ),
);

/** Operators that make each cell of the cells in its place. */
const inPlace = new Set(
  [
    "Abs",
    "Neg",
    "Exp",
    "Relu",
    "Sigmoid",
    "IsNaN",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Equal",
    "Where",
  ].concat(["Cast", "ai.onnx.ml.Imputer", "ai.onnx.ml.Scaler", "ai.onnx.ml.LabelEncoder"]),
);

export function cellCount(cells: Cells): number {
  return sizeOf(cells.dims);
}

/**
 * Which input cell each output cell of a node is, counted over all inputs; null where they are no
 * mere moves. Uses the cells: whatever row stood in them is gone.
 */
export function movedFrom(op: string, { inputs }: NodeInput, built: BuiltNode): number[] | null {
  if (!moving.has(op)) return null;
  let at = 0;
  for (const cells of inputs) {
    if (cells === null || cells.isConstant) continue;
    const count = cellCount(cells);
    for (let i = 0; i < count; i++) {
      if (cells.type === "string") cells.texts[i] = String(at + i);
      else cells.numbers[i] = at + i;
    }
    at += count;
  }
  built.step?.();
  const [output] = built.outputs;
  if (output === undefined) return null;
  return output.type === "string" ? output.texts.map(Number) : [...output.numbers];
}

/**
 * Which player each cell depends on that a node makes of features.
 *
 * @param of - by input.
 * @throws {NotNative} where a cell depends on several.
 */
export function outputOrigins(
  op: string,
  node: NodeInput,
  built: BuiltNode,
  of: readonly Origins[],
): Origins {
  const moved = movedFrom(op, node, built);
  const varying = of.filter((_, index) => node.inputs[index]?.isConstant === false).flat();
  if (moved !== null) return moved.map((from) => varying[from] ?? constantOrigin);
  const [output] = built.outputs;
  const count = output === undefined ? 0 : cellCount(output);
  const only = new Set(of.flat().filter((player) => player !== constantOrigin));
  if (only.size === 1) return new Array<number>(count).fill([...only][0] as number);
  if (op === "ai.onnx.ml.OneHotEncoder") {
    const [categories = []] = of;
    const width = count / categories.length;
    return Array.from({ length: count }, (_, i) => categories[Math.floor(i / width)] as number);
  }
  if (!inPlace.has(op)) throw new NotNative(`${op} mixes features before the model`);
  return Array.from({ length: count }, (_, i) => {
    const players = new Set(of.map((each) => (each.length === 1 ? each[0] : each[i]) as number));
    players.delete(constantOrigin);
    if (players.size > 1) throw new NotNative(`${op} mixes features before the model`);
    return [...players][0] ?? constantOrigin;
  });
}
