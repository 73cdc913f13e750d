import { workerData } from "piscina";
import { type ErrorCode, type ErrorContext, MillraceError } from "../../../schemas/errors.ts";
import { answerBatch } from "./answer-batch.ts";
import { ModelCache } from "./model-cache.ts";
import type { BatchAnswer } from "./scorer.ts";

/** One micro-batch of one model. */
export interface ScoringTask {
  readonly artifact: string;
  readonly rows: number;
  /** Row-major. */
  readonly vectors: Float64Array;
}

/**
 * Why a batch could not be asked for: an error of the table, whose code a thrown error loses
 * between threads, or any other (code null). What is not answered thus comes of a thread that
 * ended.
 */
export interface ScoringFailure {
  readonly code: ErrorCode | null;
  readonly context: ErrorContext;
  readonly cause: unknown;
}

const cache = new ModelCache((workerData as { directory: string }).directory);

/** Entry of the pool's threads: piscina calls it by name, one task at a time. */
export async function scoreBatch(task: ScoringTask): Promise<BatchAnswer | ScoringFailure> {
  try {
    return await answerBatch(() => cache.get(task.artifact), task.vectors, task.rows);
  } catch (error) {
    if (!(error instanceof MillraceError)) return { code: null, context: {}, cause: error };
    const { code, context, cause } = error;
    return { code, context, cause };
  }
}
