import type { ExternalWork } from "../processor.ts";

/**
 * Rows to score. The result is the f64 probabilities of all rows (NaN: no model answered), then the
 * f64 latencyMs of all rows.
 */
export interface ScoreWork {
  /** Model version in force, in order of first use. */
  readonly versions: readonly string[];
  /** sha256 of the ONNX artifact of each version. */
  readonly artifacts: readonly string[];
  /** For each row the index in `versions`. */
  readonly versionOf: Uint16Array;
  /** Row-major, rows × features, NaN = missing. */
  readonly rows: Float64Array;
  readonly features: number;
  /** For each row the place of the record that triggered it. */
  readonly sourcePartitions: Uint16Array;
  readonly sourceOffsets: Float64Array;
}

/** Name of the service that scores. */
export const scoreService = "score";

export function isScoreWork(work: ExternalWork): work is ExternalWork<ScoreWork> {
  return work.service === scoreService;
}
