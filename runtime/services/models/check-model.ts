import type {
  ModelDeclaration,
  ModelReading,
} from "../../../processors/scoring/onnx/model-reading.ts";
import { readingProperty } from "../../../processors/scoring/onnx/model-reading.ts";
import { extendOnnxFile } from "../../../processors/scoring/onnx/onnx-file.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import type { ScorerChoice } from "../../../schemas/model-change.ts";
import { explanationOf } from "../explain/explanations.ts";
import { batchVariance, loadOnnxModel, type OnnxModel } from "../score/onnx-model.ts";
import { whyNotNative } from "./choose-scorer.ts";

/** What a model is held against before it may serve. */
export interface ModelCheck {
  readonly declaration: ModelDeclaration & { readonly features: readonly string[] };
  /** Row-major feature vectors, NaN where a value is missing. */
  readonly rows: Float64Array;
  /** What the model has to give these rows; null: nobody has said. */
  readonly scores: Float64Array | null;
  /** How far from it an answer may be. */
  readonly tolerance: number;
  /** What a row asked alone may take, in ms. */
  readonly limitMs: number;
  /** @default "auto" */
  readonly scorer?: ScorerChoice;
  /** Whether a step tells what each feature contributed to its scores. @default false */
  readonly explains?: boolean;
}

/** A model that passed. */
export interface PassedModel {
  /** The file with its reading inside: the artifact to serve. */
  readonly artifact: Buffer;
  readonly reading: ModelReading;
  /** Of a row asked alone, the median. */
  readonly msPerRow: number;
  /** Why it is not computed in JavaScript; null: it is. */
  readonly notNative: string | null;
  /** Why its scores cannot be explained where a step asks for it; null: they can, or none does. */
  readonly notExplained: string | null;
}

/** Rows asked one by one for the time that they take. */
const timedRows = 200;

/**
 * Holds a model against the rows: its answers are probabilities, those that are known come out, a
 * missing value of any feature gives one too, the rows beside a row do not matter, and a row takes
 * no longer than it may. Runs the model: for a process of its own, which can be killed.
 *
 * @throws {MillraceError} MODEL_REFUSED saying what to change.
 */
export async function checkModel(bytes: Uint8Array, check: ModelCheck): Promise<PassedModel> {
  const plain = await loadOnnxModel(bytes, check.declaration);
  const isVaried = (await batchVariance(plain, variedRows(check))) !== null;
  const notNative = await whyNotNative(bytes, plain, check);
  const reading: ModelReading =
    notNative === null
      ? { ...plain.reading, alone: false, native: true }
      : { ...plain.reading, alone: isVaried };
  await plain.release();
  // As it will be served, from the bytes that will be.
  const artifact = extendOnnxFile(bytes, { [readingProperty]: JSON.stringify(reading) });
  const model = await loadOnnxModel(artifact);
  try {
    await checkScores(model, check);
    await checkMissing(model, check);
    const variance = await batchVariance(model, variedRows(check));
    if (variance !== null) {
      throw refused(
        `${variance}: its answers depend on more than the row. Export it for inference, without ` +
          "dropout and without operators that draw random numbers",
      );
    }
    const notExplained = whyNotExplained(artifact, check);
    return { artifact, reading, msPerRow: await timeOf(model, check), notNative, notExplained };
  } finally {
    await model.release();
  }
}

function whyNotExplained(
  artifact: Uint8Array,
  { explains = false, declaration }: ModelCheck,
): string | null {
  if (!explains) return null;
  const explained = explanationOf(artifact, declaration.features);
  return "why" in explained ? explained.why : null;
}

async function checkScores(model: OnnxModel, check: ModelCheck): Promise<void> {
  const { rows, scores, tolerance } = check;
  const answers = await model.score(rows);
  for (const [row, answer] of answers.entries()) {
    const vector = rows.subarray(row * model.features, (row + 1) * model.features);
    // What is missing has a check of its own, which names the feature.
    if (vector.some((value) => Number.isNaN(value)) && Number.isNaN(answer)) continue;
    checkProbability(answer, `row ${row + 1}`);
    const wanted = scores?.[row];
    if (wanted === undefined || Math.abs(answer - wanted) <= tolerance) continue;
    throw refused(
      `golden row ${row + 1} gives ${answer}, not ${wanted} (± ${tolerance}): check the order of ` +
        "the features and which output and class are read",
    );
  }
}

function checkProbability(answer: number, which: string): void {
  if (answer >= 0 && answer <= 1) return;
  throw refused(
    `${which} gives ${answer}, which is no probability: with log-odds say --logit, with another ` +
      "output or class --output and --positive; a regression of another scale is trained on a " +
      "target from 0 to 1, e.g. its share of a bound",
  );
}

/** Each feature missing in turn, then all of them. */
async function checkMissing(model: OnnxModel, { rows, declaration }: ModelCheck): Promise<void> {
  const { features } = declaration;
  const whole = rows.slice(0, features.length).map((value) => (Number.isNaN(value) ? 0 : value));
  for (const [index, name] of [...features, "every feature"].entries()) {
    const vector = Float64Array.from(whole, (value, at) =>
      at === index || index === features.length ? Number.NaN : value,
    );
    const [answer = Number.NaN] = await model.score(vector);
    if (answer >= 0 && answer <= 1) continue;
    throw refused(
      `with ${name} missing it gives ${answer}: let the model fill it (SimpleImputer as the first ` +
        "step of its pipeline), or train trees that know missing values (LightGBM, XGBoost)",
    );
  }
}

/** Enough rows for the check of batches: those given, over and over. */
function variedRows({ rows, declaration }: ModelCheck): Float64Array {
  const needed = declaration.features.length * 64;
  const all = new Float64Array(needed);
  for (let at = 0; at < needed; at++) all[at] = rows[at % rows.length] as number;
  return all;
}

async function timeOf(model: OnnxModel, { rows, limitMs }: ModelCheck): Promise<number> {
  const width = model.features;
  const n = rows.length / width;
  const took: number[] = [];
  for (let each = 0; each < timedRows; each++) {
    const start = (each % n) * width;
    const vector = rows.slice(start, start + width);
    const before = performance.now();
    await model.score(vector);
    took.push(performance.now() - before);
  }
  took.sort((a, b) => a - b);
  // Not the slowest: a machine that is busy meanwhile says nothing of the model.
  const msPerRow = took[timedRows / 2] as number;
  if (msPerRow <= limitMs) return msPerRow;
  const ms = msPerRow.toFixed(1);
  throw refused(`a row takes ${ms} ms, more than the ${limitMs} ms of the step's deadline`);
}

function refused(reason: string): MillraceError {
  return new MillraceError("MODEL_REFUSED", { reason });
}
