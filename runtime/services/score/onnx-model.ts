import type { InferenceSession } from "onnxruntime-node";
import { MillraceError } from "../../../schemas/errors.ts";
import { loadOnnxRuntime, type OnnxRuntime } from "./onnx-runtime.ts";

/** Rows of the larger warm-up run and of the check of batch invariance. */
const warmUpRows = 64;

/** One thread, no spinning, no arena: workers are the parallelism, batches vary in size. */
const sessionOptions: InferenceSession.SessionOptions = {
  executionProviders: ["cpu"],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: "sequential",
  enableCpuMemArena: false,
  enableMemPattern: false,
  logSeverityLevel: 3,
  extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
};

/**
 * An ONNX model with one float32 or float64 input [N, features] and one float32 output [N]. `score`
 * blocks its thread, and a thread must never be stopped while it runs: onnxruntime aborts the
 * process.
 */
export interface OnnxModel {
  readonly features: number;
  /** Probabilities of rows, row-major; MODEL_REFUSED when they are no whole rows. */
  score(rows: Float64Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/**
 * Loads a model and warms it up.
 *
 * @throws {MillraceError} MODEL_REFUSED when it cannot be loaded or has another shape.
 */
export async function loadOnnxModel(bytes: Uint8Array): Promise<OnnxModel> {
  // Only threads that score load the native library.
  const onnx = await loadOnnxRuntime();
  let session: InferenceSession;
  try {
    session = await onnx.InferenceSession.create(bytes, sessionOptions);
  } catch (cause) {
    throw new MillraceError("MODEL_REFUSED", { reason: String(cause) }, { cause });
  }
  try {
    const model = modelOf(onnx, session);
    await model.score(new Float64Array(model.features));
    await model.score(new Float64Array(model.features * warmUpRows));
    return model;
  } catch (error) {
    await session.release();
    throw error;
  }
}

function modelOf(onnx: OnnxRuntime, session: InferenceSession): OnnxModel {
  const input = session.inputNames[0];
  const output = session.outputNames[0];
  const metadata = session.inputMetadata[0];
  const features = metadata?.isTensor ? metadata.shape[1] : undefined;
  if (input === undefined || output === undefined || typeof features !== "number") {
    throw new MillraceError("MODEL_REFUSED", { reason: "it has no input [N, features]" });
  }
  const type = metadata?.isTensor ? metadata.type : "";
  if (type !== "float32" && type !== "float64") {
    throw new MillraceError("MODEL_REFUSED", { reason: `it takes ${type}, not float or double` });
  }
  const score = async (rows: Float64Array): Promise<Float32Array> => {
    const n = rows.length / features;
    if (!Number.isInteger(n)) {
      const reason = `${rows.length} numbers are no rows of ${features} features`;
      throw new MillraceError("MODEL_REFUSED", { reason });
    }
    const dims = [n, features];
    const tensor =
      type === "float64"
        ? new onnx.Tensor(type, rows, dims)
        : new onnx.Tensor(type, Float32Array.from(rows), dims);
    const answer = (await session.run({ [input]: tensor }))[output];
    const data = answer?.data;
    if (!(data instanceof Float32Array) || data.length !== n) {
      throw new MillraceError("MODEL_REFUSED", { reason: `${n} rows did not give ${n} numbers` });
    }
    return data;
  };
  return { features, score, release: () => session.release() };
}

/**
 * Checks that answers do not depend on how rows were batched: each of the first rows alone, and in
 * batches of 2, 3 and 17, gives the bytes that all of them together give.
 *
 * @throws {MillraceError} MODEL_REFUSED when one differs.
 */
export async function verifyBatchInvariance(model: OnnxModel, rows: Float64Array): Promise<void> {
  const { features } = model;
  const n = Math.min(rows.length / features, warmUpRows);
  const together = await model.score(rows.slice(0, n * features));
  for (const size of [1, 2, 3, 17]) {
    for (let from = 0; from < n; from += size) {
      const to = Math.min(n, from + size);
      const apart = await model.score(rows.slice(from * features, to * features));
      for (let row = from; row < to; row++) {
        if (Object.is(apart[row - from], together[row])) continue;
        const alone = `row ${row} scores ${apart[row - from]} in a batch of ${size}`;
        const reason = `${alone} and ${together[row]} in one of ${n}`;
        throw new MillraceError("MODEL_REFUSED", { reason });
      }
    }
  }
}
