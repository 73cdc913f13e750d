import type { ExternalWork } from "../processors/processor.ts";
import { isScoreWork, rowStates, type ScoreWork } from "../processors/scoring/score-work.ts";
import { isTrainWork, type TrainWork } from "../processors/train/train-work.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { writeJson } from "../schemas/json-payload.ts";
import type { ModelAnswer, RetrainRequest } from "../schemas/payload.ts";

/** What stands in for models and their training in a topology driver. */
export interface DriverModels {
  /**
   * Probability that a model version gives a feature vector (NaN = missing).
   * @default 0.5 for whatever version is in force
   */
  readonly score?: (version: string, features: Float64Array) => number;
  /** Answers a retrain request. @default refuses: `promoted: false` */
  readonly train?: (request: RetrainRequest, champion: string | null) => Partial<ModelAnswer>;
}

/**
 * Does the work of both services without their threads.
 *
 * @param lookAheadMs - what the task promises to answer ahead of: a model takes effect then.
 */
export function standIn(work: ExternalWork, options: DriverModels, lookAheadMs: number): Buffer {
  if (isScoreWork(work)) return scoreResult(work.payload, options);
  if (isTrainWork(work)) return trainResult(work.payload, options, lookAheadMs);
  throw new RangeError(`the topology driver stands in for no service ${work.service}`);
}

/** Bytes that a scoring processor's `settle` takes. */
function scoreResult(work: ScoreWork, options: DriverModels): Buffer {
  const rows = work.versionOf.length;
  const result = new ByteWriter(16 * rows + 16);
  for (let row = 0; row < rows; row++) {
    const version = work.versions[work.versionOf[row] as number] as string;
    const features = work.rows.subarray(row * work.features, (row + 1) * work.features);
    result.f64(options.score?.(version, features) ?? 0.5);
  }
  for (let row = 0; row < rows; row++) result.f64(0);
  for (let row = 0; row < rows; row++) result.u8(rowStates.answered);
  return result.take();
}

/** Bytes that a training processor's `settle` takes. */
function trainResult(work: TrainWork, options: DriverModels, lookAheadMs: number): Buffer {
  const request = JSON.parse(work.request) as RetrainRequest;
  const champion = work.promoted?.version ?? null;
  const answer: ModelAnswer = {
    requestId: request.id,
    version: `v${request.number}`,
    promoted: false,
    reason: "the topology driver trains only with the option `train`",
    effectiveFrom: request.cutoff + lookAheadMs,
    cutoff: request.cutoff,
    trainedOn: 0,
    heldOut: 0,
    holdoutAuc: null,
    championVersion: champion,
    championAuc: null,
    gainLowerBound: null,
    sha256: "",
    reference: [],
    ...options.train?.(request, champion),
  };
  const result = new ByteWriter();
  writeJson(result, answer);
  return result.take();
}
