import {
  rowResultBytes,
  rowStates,
  type ScoreWork,
} from "../../../processors/scoring/score-work.ts";

/** By row of the work. */
export interface ScoreResult {
  readonly probabilities: Float64Array;
  /** From the request to the row's answer, measured. */
  readonly latencyMs: Float64Array;
  /** Of `rowStates`. */
  readonly states: Uint8Array;
  /** Why a model failed, of the first batch where one did; null where none did. */
  failure: string | null;
}

/** Room for the answers to so many rows. */
export function emptyResult(rows: number): ScoreResult {
  return {
    probabilities: new Float64Array(rows),
    latencyMs: new Float64Array(rows),
    states: new Uint8Array(rows),
    failure: null,
  };
}

/** What a model made of a micro-batch. */
export interface BatchAnswer {
  /** NaN where the model failed. */
  readonly probabilities: Float64Array;
  /** Why, of the first row that it failed at; null where it failed at none. */
  readonly failure: string | null;
  /** How long its thread was at it, ms. @default nobody measured it */
  readonly tookMs?: number;
  /** Of that, what it had a processor for at most, ms. @default nobody measured it */
  readonly busyMs?: number;
}

/** Scores rows. Each row's answer depends on the row and its model alone, never on the batching. */
export interface Scorer {
  /**
   * Scores all rows of the work. Once `signal` is aborted, micro-batches that have not begun never
   * do; those under way end first, since a run of a model is never stopped. Rows that a model fails
   * at have no answer.
   *
   * @throws {MillraceError} SCORING_CLOSED after `close`; ARTIFACT_MISSING or ARTIFACT_DAMAGED when
   * there is no model to ask; SCORING_THREAD_LOST when no thread can be started.
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
  const { versions, versionOf, artifacts } = work;
  const counts = new Uint32Array(versions.length);
  for (let row = 0; row < versionOf.length; row++) (counts[versionOf[row] as number] as number)++;
  const byVersion = Array.from(counts, (count) => new Uint32Array(count));
  const filled = new Uint32Array(versions.length);
  for (let row = 0; row < versionOf.length; row++) {
    const version = versionOf[row] as number;
    (byVersion[version] as Uint32Array)[(filled[version] as number)++] = row;
  }
  return byVersion.flatMap((rows, version) => {
    const batches: MicroBatch[] = [];
    for (let from = 0; from < rows.length; from += size) {
      const artifact = artifacts[version] ?? "";
      batches.push({ artifact, rows: rows.subarray(from, from + size) });
    }
    return batches;
  });
}

/** The feature vectors of a micro-batch, in memory of their own. */
export function batchVectors(work: ScoreWork, batch: MicroBatch): Float64Array<ArrayBuffer> {
  const { features, rows } = work;
  const { length } = batch.rows;
  const vectors = new Float64Array(length * features);
  const first = batch.rows[0] as number;
  if ((batch.rows[length - 1] as number) - first === length - 1) {
    vectors.set(rows.subarray(first * features, (first + length) * features));
    return vectors;
  }
  for (let i = 0; i < length; i++) {
    const row = batch.rows[i] as number;
    vectors.set(rows.subarray(row * features, (row + 1) * features), i * features);
  }
  return vectors;
}

/** Puts the answers of a micro-batch in the places of its rows. */
export function placeAnswers(
  result: ScoreResult,
  { rows }: MicroBatch,
  { probabilities, failure }: BatchAnswer,
  elapsedMs: number,
): void {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    const probability = probabilities[i] as number;
    result.probabilities[row] = probability;
    result.latencyMs[row] = elapsedMs;
    result.states[row] = Number.isNaN(probability) ? rowStates.failed : rowStates.answered;
  }
  result.failure ??= failure;
}

/** The bytes that a scoring processor's `settle` takes. */
export function encodeScoreResult({ probabilities, latencyMs, states }: ScoreResult): Buffer {
  const encoded = Buffer.allocUnsafe(probabilities.length * rowResultBytes);
  let at = 0;
  for (const value of probabilities) at = encoded.writeDoubleLE(value, at);
  for (const value of latencyMs) at = encoded.writeDoubleLE(value, at);
  encoded.set(states, at);
  return encoded;
}
