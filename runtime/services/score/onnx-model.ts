import type { InferenceSession } from "onnxruntime-node";
import { nativeModel } from "../../../processors/scoring/native/native-model.ts";
import {
  type ModelDeclaration,
  type ModelReading,
  readInputs,
  readOutput,
  writtenReading,
} from "../../../processors/scoring/onnx/model-reading.ts";
import {
  extendOnnxFile,
  type OnnxFile,
  readOnnxFile,
} from "../../../processors/scoring/onnx/onnx-file.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import { feedsOf, probabilitiesOf } from "./model-tensors.ts";
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
  extra: {
    session: {
      // What was read as ONNX is loaded as ONNX, and never as the other format that there is.
      load_model_format: "ONNX",
      ...{ intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } },
    },
  },
};

/**
 * An ONNX model of feature vectors of doubles, NaN where a value is missing. `score` blocks its
 * thread, and a thread must never be stopped while it runs: onnxruntime aborts the process.
 */
export interface OnnxModel {
  readonly features: number;
  /** How it is asked and understood. */
  readonly reading: ModelReading;
  /** Probabilities of rows, row-major; MODEL_REFUSED when they are no whole rows. */
  score(rows: Float64Array): Promise<Float64Array>;
  release(): Promise<void>;
}

/**
 * Loads a model and warms it up. Which output is read, and how, is chosen here: as a registration
 * has written it into the file, else by what the file declares and gives.
 *
 * @throws {MillraceError} MODEL_REFUSED when it cannot be loaded, or not understood.
 */
export async function loadOnnxModel(
  bytes: Uint8Array,
  declared: ModelDeclaration = {},
): Promise<OnnxModel> {
  const file = readOnnxFile(bytes);
  const written = writtenReading(file);
  if (written?.native === true) return loadNative(bytes, written);
  const asked = written ?? readInputs(file, declared);
  // Only threads that score load the native library.
  const onnx = await loadOnnxRuntime();
  const session = await openSession(onnx, withTensors(bytes, file));
  try {
    const output = written?.output ?? (await probe(onnx, session, file, asked, declared));
    const reading = { ...asked, output, alone: written?.alone ?? false };
    const model = modelOf(onnx, session, reading);
    await model.score(new Float64Array(model.features));
    await model.score(new Float64Array(model.features * warmUpRows));
    return model;
  } catch (cause) {
    await session.release();
    if (cause instanceof MillraceError) throw cause;
    const said = cause instanceof Error ? cause.message : String(cause);
    throw new MillraceError("MODEL_REFUSED", { reason: `a run of it failed: ${said}` }, { cause });
  }
}

/** A model that is computed in JavaScript: nothing of onnxruntime is loaded. */
function loadNative(bytes: Uint8Array, reading: ModelReading): OnnxModel {
  const native = nativeModel(bytes, reading);
  if ("why" in native) {
    const reason = `it is to be computed in JavaScript, which this version cannot: ${native.why}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
  const score = async (rows: Float64Array): Promise<Float64Array> => {
    wholeRows(rows, reading.width);
    return native.score(rows);
  };
  return { features: reading.width, reading, score, release: async () => {} };
}

/** @throws {MillraceError} MODEL_REFUSED. */
function wholeRows(rows: Float64Array, features: number): number {
  const n = rows.length / features;
  if (Number.isInteger(n)) return n;
  const reason = `${rows.length} numbers are no rows of ${features} features`;
  throw new MillraceError("MODEL_REFUSED", { reason });
}

/** With the tensors behind maps as outputs: maps cannot be read. */
function withTensors(bytes: Uint8Array, { zipMaps, outputs }: OnnxFile): Uint8Array {
  const known = new Set(outputs.map(({ name }) => name));
  const hidden = zipMaps.flatMap(({ tensor }) => (known.has(tensor) ? [] : [tensor]));
  return hidden.length === 0 ? bytes : extendOnnxFile(bytes, {}, hidden);
}

async function openSession(onnx: OnnxRuntime, bytes: Uint8Array): Promise<InferenceSession> {
  try {
    return await onnx.InferenceSession.create(bytes, sessionOptions);
  } catch (cause) {
    throw new MillraceError("MODEL_REFUSED", { reason: String(cause) }, { cause });
  }
}

/** Asks for everything that may hold probabilities, and chooses by what comes. */
async function probe(
  onnx: OnnxRuntime,
  session: InferenceSession,
  file: OnnxFile,
  asked: Pick<ModelReading, "width" | "inputs">,
  declared: ModelDeclaration,
): Promise<ModelReading["output"]> {
  const names = session.outputMetadata.flatMap((each) =>
    each.isTensor && (each.type === "float32" || each.type === "float64") ? [each.name] : [],
  );
  const columns = new Map<string, number>();
  if (names.length > 0) {
    const rows = 3;
    const feeds = feedsOf(onnx, asked, new Float64Array(asked.width * rows), rows);
    for (const [name, { dims }] of Object.entries(await session.run(feeds, names))) {
      const isTable = dims[0] === rows && dims.length <= 2;
      columns.set(name, isTable ? (dims[1] ?? 1) : 0);
    }
  }
  return readOutput(file, columns, declared);
}

function modelOf(onnx: OnnxRuntime, session: InferenceSession, reading: ModelReading): OnnxModel {
  const { width: features, output, alone } = reading;
  const names = [output.name];
  const ask = async (rows: Float64Array, n: number): Promise<Float64Array> => {
    const answer = (await session.run(feedsOf(onnx, reading, rows, n), names))[output.name];
    return probabilitiesOf(output, answer, n);
  };
  const score = async (rows: Float64Array): Promise<Float64Array> => {
    const n = wholeRows(rows, features);
    if (!alone) return await ask(rows, n);
    const answers = new Float64Array(n);
    for (let row = 0; row < n; row++) {
      const [answer] = await ask(rows.slice(row * features, (row + 1) * features), 1);
      answers[row] = answer as number;
    }
    return answers;
  };
  return { features, reading, score, release: () => session.release() };
}

/**
 * Where answers depend on how rows were batched: each of the first rows alone, and in batches of 2,
 * 3 and 17, gives the bytes that all of them together give, or the first row that does not is told.
 */
export async function batchVariance(model: OnnxModel, rows: Float64Array): Promise<string | null> {
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
        return `${alone} and ${together[row]} in one of ${n}`;
      }
    }
  }
  return null;
}

/**
 * Checks that answers do not depend on how rows were batched.
 *
 * @throws {MillraceError} MODEL_REFUSED when one differs.
 */
export async function verifyBatchInvariance(model: OnnxModel, rows: Float64Array): Promise<void> {
  const reason = await batchVariance(model, rows);
  if (reason !== null) throw new MillraceError("MODEL_REFUSED", { reason });
}
