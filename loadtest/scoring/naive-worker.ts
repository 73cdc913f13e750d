/** The control: a thread of piscina that runs onnxruntime, and nothing that counts its runs. */
import { readFile } from "node:fs/promises";
import type { InferenceSession } from "onnxruntime-node";
import { loadOnnxRuntime } from "../../runtime/services/score/onnx-runtime.ts";

let session: InferenceSession | undefined;

export async function runNaive({ file, rows, width }: NaiveTask): Promise<number> {
  const onnx = await loadOnnxRuntime();
  session ??= await onnx.InferenceSession.create(await readFile(file), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const features = new onnx.Tensor("float64", new Float64Array(rows * width), [rows, width]);
  const { probability } = await session.run({ features });
  return probability?.data.length ?? 0;
}

export interface NaiveTask {
  readonly file: string;
  readonly rows: number;
  readonly width: number;
}
