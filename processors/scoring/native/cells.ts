/** What the cells of a row hold; whole numbers are exact up to 2^53. */
export const cellTypes = ["float32", "float64", "int32", "int64", "bool", "string"] as const;
export type CellType = (typeof cellTypes)[number];

/** Cells that hold numbers: a typed array of floats rounds what is put there, as a tensor does. */
export type Numbers = Float32Array | Float64Array;

/**
 * One row of a tensor [N, …dims], or a tensor of weights: a place that steps read from and write
 * to, row after row.
 */
export interface Cells {
  readonly type: CellType;
  /** Without the rows. */
  readonly dims: readonly number[];
  /** Row-major; empty for texts. */
  readonly numbers: Numbers;
  /** Empty for numbers. */
  readonly texts: string[];
  /** Whether it is the same for every row. */
  readonly isConstant: boolean;
}

/** A graph, or a node of it, that is not computed here: onnxruntime does. */
export class NotNative extends Error {}

export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

/** Room for a row. */
export function newCells(type: CellType, dims: readonly number[]): Cells {
  const size = sizeOf(dims);
  const isText = type === "string";
  const numbers = type === "float32" ? new Float32Array(size) : new Float64Array(isText ? 0 : size);
  const texts = isText ? new Array<string>(size).fill("") : [];
  return { type, dims, numbers, texts, isConstant: false };
}

/** Another shape of the same cells. */
export function reshaped(cells: Cells, dims: readonly number[]): Cells {
  if (sizeOf(cells.dims) !== sizeOf(dims)) {
    throw new NotNative(`[${cells.dims}] becomes [${dims}] only across rows`);
  }
  return { ...cells, dims };
}
