import type { ScoreWork } from "../../../processors/scoring/score-work.ts";
import { MillraceError } from "../../../schemas/errors.ts";

/** By row of the work. */
export interface ScoreResult {
  readonly probabilities: Float64Array;
  /** From the request to the row's answer, measured. */
  readonly latencyMs: Float64Array;
}

/** Scores rows. Each row's answer depends on the row and its model alone, never on the batching. */
export interface Scorer {
  /**
   * Scores all rows of the work. Once `signal` is aborted, micro-batches that have not begun never
   * do; those under way end first, since a run of a model is never stopped.
   *
   * @throws {MillraceError} SCORING_CLOSED after `close`; MODEL_REFUSED, ARTIFACT_MISSING or
   * ARTIFACT_DAMAGED when the model cannot score; SCORING_THREAD_LOST when the thread ended.
   * @throws the signal's reason when it is aborted.
   */
  score(work: ScoreWork, signal?: AbortSignal): Promise<ScoreResult>;
  /** Rows that a model is at work on. */
  readonly rowsInFlight: number;
  /** Lets what runs end, then stops; later requests are refused. Idempotent. */
  close(): Promise<void>;
}

/** Rows a run of a model takes at most. */
export const microBatchRows = 256;

/** Rows of one model, at most {@link microBatchRows}, by index in the work. */
export interface MicroBatch {
  readonly artifact: string;
  readonly rows: Uint32Array;
}

/** Cuts work into micro-batches by model, in order of first use. */
export function microBatches(work: ScoreWork, size: number = microBatchRows): MicroBatch[] {
  const byVersion = work.versions.map((): number[] => []);
  for (const [row, version] of work.versionOf.entries()) byVersion[version]?.push(row);
  return byVersion.flatMap((rows, version) => {
    const batches: MicroBatch[] = [];
    for (let from = 0; from < rows.length; from += size) {
      const artifact = work.artifacts[version] ?? "";
      batches.push({ artifact, rows: Uint32Array.from(rows.slice(from, from + size)) });
    }
    return batches;
  });
}

/** The feature vectors of a micro-batch, in memory of their own. */
export function batchVectors(work: ScoreWork, batch: MicroBatch): Float64Array<ArrayBuffer> {
  const { features, rows } = work;
  const vectors = new Float64Array(batch.rows.length * features);
  for (const [i, row] of batch.rows.entries()) {
    vectors.set(rows.subarray(row * features, (row + 1) * features), i * features);
  }
  return vectors;
}

/**
 * Puts the answers of a micro-batch in the places of its rows.
 *
 * @throws {MillraceError} MODEL_REFUSED when the model took the rows for more or for fewer: its
 * vectors have another number of features.
 */
export function placeAnswers(
  { probabilities, latencyMs }: ScoreResult,
  { rows }: MicroBatch,
  answers: Float32Array,
  elapsedMs: number,
): void {
  if (answers.length !== rows.length) {
    const reason = `it gave ${answers.length} numbers for ${rows.length} rows`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
  for (const [i, row] of rows.entries()) {
    probabilities[row] = answers[i] as number;
    latencyMs[row] = elapsedMs;
  }
}

/** The bytes that a scoring processor's `settle` takes: f64 probabilities, then f64 latencies. */
export function encodeScoreResult({ probabilities, latencyMs }: ScoreResult): Buffer {
  const encoded = Buffer.allocUnsafe(probabilities.length * 16);
  let at = 0;
  for (const value of probabilities) at = encoded.writeDoubleLE(value, at);
  for (const value of latencyMs) at = encoded.writeDoubleLE(value, at);
  return encoded;
}
