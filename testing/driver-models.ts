import type { ExternalWork } from "../processors/processor.ts";
import type { Explanation } from "../processors/scoring/explain/explained-model.ts";
import { toldExplanation } from "../processors/scoring/explain/told-explanation.ts";
import {
  type ExplainWork,
  explainResult,
  isExplainWork,
} from "../processors/scoring/explain-work.ts";
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
  /**
   * What a model version would say where no feature is known, and what each feature adds to that
   * (features that it leaves out add 0), for steps with `explain`.
   * @default no version can be explained
   */
  readonly explain?: (
    version: string,
    features: Float64Array,
  ) => {
    readonly expected: number;
    readonly contributions: Readonly<Record<string, number>>;
    /** @default "margin" */
    readonly of?: Explanation["of"];
    /** @default "hitrates" */
    readonly by?: Explanation["by"];
  };
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
  if (isExplainWork(work)) return explained(work.payload, options);
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

const unexplained = { why: "the topology driver explains only with the option `explain`" };

/** Bytes that an explaining processor's `settle` takes. */
function explained(work: ExplainWork, { explain }: DriverModels): Buffer {
  const width = work.features.length;
  const rows = [...work.versionOf].map((index, row) => {
    if (explain === undefined) return unexplained;
    const vector = work.rows.subarray(row * width, (row + 1) * width);
    const told = explain(work.versions[index] as string, vector);
    const contributions = new Map(
      work.features.map((name) => [name, told.contributions[name] ?? 0]),
    );
    const { expected, of = "margin", by = "hitrates" } = told;
    return toldExplanation({ expected, contributions, of, by }, work.most);
  });
  return explainResult(rows);
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
