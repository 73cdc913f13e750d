import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ModelReading, readingProperty } from "../../processors/scoring/onnx/model-reading.ts";
import { extendOnnxFile } from "../../processors/scoring/onnx/onnx-file.ts";
import { encodeOnnx, onnxTypes } from "../../runtime/services/train/onnx-writer.ts";

/** Ids are whole numbers below it: id / 2^40 is a probability, exact in a double. */
export const ids = 2 ** 40;

/** Numbers of a vector: the answer of each model is one of them. */
export const width = 4;

/** A model whose answer to a row says which row it was, and which model. */
export interface IdModel {
  readonly sha256: string;
  /** Index of its number in the vector. */
  readonly column: number;
}

/** The vector of an id: each model has a number of its own, all of which say the id. */
export function vectorOf(id: number, to: Float64Array, at: number): void {
  for (let column = 0; column < width; column++) {
    to[at + column] = (id * width + column) / (ids * width);
  }
}

/** What a model has to answer to an id. */
export function answerTo(id: number, { column }: IdModel): number {
  return (id * width + column) / (ids * width);
}

/**
 * Writes a model into a folder of artifacts.
 *
 * @param work - numbers of a row that are multiplied by a table of as many before it answers.
 */
export async function idModel(
  folder: string,
  column: number,
  { work = 0, native = false }: { readonly work?: number; readonly native?: boolean },
): Promise<IdModel> {
  const index = BigInt64Array.of(BigInt(column));
  const heavy = [
    { op: "MatMul", inputs: ["features", "first"], outputs: ["h0"] },
    { op: "MatMul", inputs: ["h0", "table"], outputs: ["h1"] },
    { op: "MatMul", inputs: ["h1", "table"], outputs: ["h2"] },
    { op: "MatMul", inputs: ["h2", "last"], outputs: ["h3"] },
    { op: "Add", inputs: ["found", "h3"], outputs: ["sum"] },
  ];
  const plain = encodeOnnx({
    name: `column_${column}`,
    nodes: [
      { op: "Gather", inputs: ["features", "index"], outputs: ["found"], attributes: { axis: 1 } },
      ...(work > 0 ? heavy : [{ op: "Add", inputs: ["found", "zero"], outputs: ["sum"] }]),
      { op: "Reshape", inputs: ["sum", "flat"], outputs: ["probability"] },
    ],
    initializers: [
      { name: "index", dims: [1], data: index },
      { name: "flat", dims: [1], data: BigInt64Array.of(-1n) },
      { name: "zero", dims: [1], data: new Float64Array(1) },
      { name: "first", dims: [width, work], data: new Float64Array(width * work).fill(0.5) },
      { name: "table", dims: [work, work], data: new Float64Array(work * work).fill(0.01) },
      { name: "last", dims: [work, 1], data: new Float64Array(work) },
    ],
    input: { name: "features", type: onnxTypes.double, dims: ["N", width] },
    output: { name: "probability", type: onnxTypes.double, dims: ["N"] },
  });
  const columns = Array.from({ length: width }, (_, at) => at);
  const reading: ModelReading = {
    ...{ width, inputs: [{ name: "features", type: "float64", columns }], alone: false },
    output: { name: "probability", column: 0, columns: 1, logit: false },
    ...(native && { native: true }),
  };
  const bytes = extendOnnxFile(plain, { [readingProperty]: JSON.stringify(reading) });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, `${sha256}.onnx`), bytes);
  return { sha256, column };
}
