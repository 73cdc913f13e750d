import type { OnnxAttribute, OnnxConstant } from "../onnx/onnx-graph.ts";
import { type Cells, type CellType, NotNative, type Numbers } from "./cells.ts";

/** Computes the outputs of a node for one row, in place. */
export type Step = () => void;

/** What a node is built from; nothing of it is asked again when rows are scored. */
export interface NodeInput {
  /** In its order; null where an optional one is left out. */
  readonly inputs: readonly (Cells | null)[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  /** Version of the operators of ONNX's own domain. */
  readonly opset: number;
  /** Indexes of the outputs that something reads. */
  readonly wanted: ReadonlySet<number>;
}

/** The outputs of a node, by index, and what fills them; null: they are their input itself. */
export interface BuiltNode {
  readonly outputs: readonly Cells[];
  readonly step: Step | null;
  /** What a row costs, in comparisons that are branches, or multiplications. */
  readonly cost: number;
}

/**
 * Builds a node: row by row, so that an answer cannot depend on the rows beside it.
 *
 * @throws {NotNative} where it cannot be computed here as onnxruntime does.
 */
export type Operator = (node: NodeInput) => BuiltNode;

/** An input that has to be there. */
export function given({ inputs }: NodeInput, index: number): Cells {
  const found = inputs[index];
  if (found == null) throw new NotNative(`it lacks its input ${index}`);
  return found;
}

/** Numbers of a row that are not the same for all rows. */
export function floatsOf(node: NodeInput, index: number): Cells {
  const cells = given(node, index);
  if (cells.isConstant) throw new NotNative("it computes with weights alone");
  if (cells.type !== "float32" && cells.type !== "float64") {
    throw new NotNative(`it takes ${cells.type}`);
  }
  return cells;
}

/** Numbers that are the same for all rows. */
export function weightsOf(node: NodeInput, index: number): Numbers {
  const cells = given(node, index);
  if (!cells.isConstant || cells.type === "string") {
    throw new NotNative(`its input ${index} depends on the row`);
  }
  return cells.numbers;
}

/** The row as a list of features: [N] is one of N features for some, so it has to be [N, C]. */
export function tableOf(node: NodeInput, index: number): Cells {
  const cells = floatsOf(node, index);
  if (cells.dims.length !== 1) throw new NotNative(`it takes [N, C], not ${cells.dims.length + 1}`);
  return cells;
}

export function numbersOf({ attributes }: NodeInput, name: string): readonly number[] {
  return attributes.get(name)?.numbers ?? [];
}

export function numberOf(node: NodeInput, name: string, otherwise: number): number {
  return numbersOf(node, name)[0] ?? otherwise;
}

export function textOf({ attributes }: NodeInput, name: string, otherwise: string): string {
  return attributes.get(name)?.texts[0] ?? otherwise;
}

export function textsOf({ attributes }: NodeInput, name: string): readonly string[] {
  return attributes.get(name)?.texts ?? [];
}

/** Weights of a file as cells. */
export function constantCells({ type, dims, data }: OnnxConstant): Cells | null {
  const isKnown = ["float32", "float64", "int32", "int64", "bool", "string"].includes(type);
  if (!isKnown) return null;
  const isText = !(data instanceof Float64Array);
  return {
    type: type as CellType,
    dims,
    numbers: isText ? new Float64Array(0) : type === "float32" ? Float32Array.from(data) : data,
    texts: isText ? [...data] : [],
    isConstant: true,
  };
}
