import type { ExternalWork } from "../processor.ts";

/** What became of a row: its model answered, did not in time (live mode), or could not. */
export const rowStates = Object.freeze({ answered: 0, late: 1, failed: 2 });

/** Bytes of the result of one row: f64 probability, f64 latencyMs, u8 of {@link rowStates}. */
export const rowResultBytes = 17;

/**
 * Rows to score. The result is the f64 probabilities of all rows (NaN where no model answered),
 * then the f64 latencyMs of all rows, then the u8 states of all rows; behind them the news, where
 * they were asked for and there was time to say (`model-news.ts`).
 */
export interface ScoreWork {
  /** Model version in force, in order of first use. */
  readonly versions: readonly string[];
  /** sha256 of the ONNX artifact of each version. */
  readonly artifacts: readonly string[];
  /** For each version how many rows in a row it has failed at until now. @default none at any */
  readonly failures?: readonly number[];
  /** For each row the index in `versions`. */
  readonly versionOf: Uint16Array;
  /** Row-major, rows × features, NaN = missing. */
  readonly rows: Float64Array;
  readonly features: number;
  /** For each row the place of the record that triggered it. */
  readonly sourcePartitions: Uint16Array;
  readonly sourceOffsets: Float64Array;
  /** Versions that the task has put aside since it last asked, because they failed. */
  readonly putAside: readonly string[];
  /** Whether the task asks for champions that somebody has named: the result then ends in news. */
  readonly asksNews: boolean;
  /** Number of the last news that it has heard. */
  readonly heard: number;
  /** Newest known time of its triggers, UTC ms: what is news now is in force after it. */
  readonly knownAt: number;
}

/** Name of the service that scores. */
export const scoreService = "score";

export function isScoreWork(work: ExternalWork): work is ExternalWork<ScoreWork> {
  return work.service === scoreService;
}
