import type { Tensor } from "onnxruntime-node";
import type {
  InputReading,
  ModelReading,
  OutputReading,
} from "../../../processors/scoring/onnx/model-reading.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import type { OnnxRuntime } from "./onnx-runtime.ts";

/** The inputs of a run over `n` feature vectors, row-major. */
export function feedsOf(
  onnx: OnnxRuntime,
  { width, inputs }: Pick<ModelReading, "width" | "inputs">,
  rows: Float64Array,
  n: number,
): Record<string, Tensor> {
  const feeds = inputs.map((input): [string, Tensor] => {
    const { name, type, columns, flat } = input;
    if (input.texts !== undefined) {
      const data = textsOf(input, rows, width, n);
      return [name, new onnx.Tensor("string", data, flat ? [n] : [n, 1])];
    }
    const dims = flat ? [n] : [n, columns.length];
    const values = isWhole(columns, width) ? rows : picked(columns, rows, width, n);
    const tensor =
      type === "float64"
        ? new onnx.Tensor(type, values, dims)
        : new onnx.Tensor("float32", Float32Array.from(values), dims);
    return [name, tensor];
  });
  return Object.fromEntries(feeds);
}

/** Whether an input takes the vector as it is. */
function isWhole(columns: readonly number[], width: number): boolean {
  return columns.length === width && columns.every((column, index) => column === index);
}

function picked(
  columns: readonly number[],
  rows: Float64Array,
  width: number,
  n: number,
): Float64Array {
  const values = new Float64Array(n * columns.length);
  let to = 0;
  for (let start = 0; start < n * width; start += width) {
    for (const column of columns) values[to++] = rows[start + column] as number;
  }
  return values;
}

function textsOf(
  { columns, texts = [] }: InputReading,
  rows: Float64Array,
  width: number,
  n: number,
): string[] {
  return Array.from({ length: n }, (_, row) => {
    const index = columns.findIndex((column) => rows[row * width + column] === 1);
    return texts[index] ?? "";
  });
}

/**
 * The probability of each row in the output of a run, as a double.
 *
 * @throws {MillraceError} MODEL_REFUSED where the run did not give what it did when it was read.
 */
export function probabilitiesOf(
  { name, column, columns, logit }: OutputReading,
  tensor: Tensor | undefined,
  n: number,
): Float64Array {
  const data = tensor?.data;
  const isFloats = data instanceof Float32Array || data instanceof Float64Array;
  if (!isFloats || data.length !== n * columns) {
    const given = `${tensor?.type} [${tensor?.dims}]`;
    const wanted = `[${n}${columns === 1 ? "" : `, ${columns}`}] of floats`;
    const reason = `its output "${name}" was ${given} for ${n} rows, not ${wanted}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
  const answers = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    const value = data[row * columns + column] as number;
    answers[row] = logit ? 1 / (1 + Math.exp(-value)) : value;
  }
  return answers;
}
