import { workerData } from "piscina";
import { type ErrorCode, type ErrorContext, MillraceError } from "../../../schemas/errors.ts";
import { ModelCache } from "./model-cache.ts";

/** One micro-batch of one model. */
export interface ScoringTask {
  readonly artifact: string;
  readonly rows: Float64Array;
}

/**
 * Why a batch has no scores: an error of the table, whose code a thrown error loses between
 * threads, or any other (code null). What is not answered thus comes of a thread that ended.
 */
export interface ScoringFailure {
  readonly code: ErrorCode | null;
  readonly context: ErrorContext;
  readonly cause: unknown;
}

const cache = new ModelCache((workerData as { directory: string }).directory);

/** Entry of the pool's threads: piscina calls it by name, one task at a time. */
export async function scoreBatch(task: ScoringTask): Promise<Float32Array | ScoringFailure> {
  try {
    const model = await cache.get(task.artifact);
    return await model.score(task.rows);
  } catch (error) {
    if (!(error instanceof MillraceError)) return { code: null, context: {}, cause: error };
    const { code, context, cause } = error;
    return { code, context, cause };
  }
}
