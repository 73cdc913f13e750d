import { MillraceError } from "../../../schemas/errors.ts";
import type { OnnxModel } from "./onnx-model.ts";
import type { BatchAnswer } from "./scorer.ts";

/**
 * Scores a micro-batch. Where a model fails at it, each row is asked for alone: so what a row gets
 * depends on the row and the model, not on the rows beside it. What is no probability is a failure,
 * and so is a model that cannot be served.
 *
 * @throws {MillraceError} ARTIFACT_MISSING, ARTIFACT_DAMAGED: nobody has asked the model.
 */
export async function answerBatch(
  load: () => Promise<OnnxModel>,
  vectors: Float64Array,
  rows: number,
): Promise<BatchAnswer> {
  let model: OnnxModel;
  try {
    model = await load();
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== "MODEL_REFUSED") throw error;
    return failedBatch(rows, error.message);
  }
  if (model.features * rows !== vectors.length) {
    const given = vectors.length / rows;
    return failedBatch(rows, `it takes ${model.features} features, and ${given} were given`);
  }
  try {
    return checked(await model.score(vectors));
  } catch (error) {
    return rows === 1 ? failedBatch(1, textOf(error)) : await rowByRow(model, vectors, rows);
  }
}

/** A batch that has no answer. */
export function failedBatch(rows: number, failure: string): BatchAnswer {
  return { probabilities: new Float64Array(rows).fill(Number.NaN), failure };
}

async function rowByRow(
  model: OnnxModel,
  vectors: Float64Array,
  rows: number,
): Promise<BatchAnswer> {
  const probabilities = new Float64Array(rows);
  let failure: string | null = null;
  for (let row = 0; row < rows; row++) {
    const vector = vectors.slice(row * model.features, (row + 1) * model.features);
    try {
      const answer = checked(await model.score(vector));
      probabilities[row] = answer.probabilities[0] as number;
      failure ??= answer.failure;
    } catch (error) {
      probabilities[row] = Number.NaN;
      failure ??= textOf(error);
    }
  }
  return { probabilities, failure };
}

function checked(probabilities: Float64Array): BatchAnswer {
  let failure: string | null = null;
  for (let row = 0; row < probabilities.length; row++) {
    const probability = probabilities[row] as number;
    if (probability >= 0 && probability <= 1) continue;
    failure ??= `it gave ${probability}, which is no probability`;
    probabilities[row] = Number.NaN;
  }
  return { probabilities, failure };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
