import { type GateVerdict, judge } from "../../../processors/train/gate.ts";
import { fitLogisticRegression } from "../../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../../processors/train/preparation.ts";
import { referenceHistograms } from "../../../processors/train/reference-histograms.ts";
import { splitByTime, type TrainingRows } from "../../../processors/train/training-rows.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import type { ReferenceHistogram } from "../../../schemas/payload.ts";
import { loadOnnxModel, type OnnxModel, verifyBatchInvariance } from "../score/onnx-model.ts";
import { type ArtifactStore, readArtifact } from "./artifacts.ts";
import { logisticRegressionGraph } from "./logistic-regression-graph.ts";
import type { NativeGuard } from "./native-guard.ts";

/** Fewer rows than this are no training set. */
const minRows = 200;

/** Rows scored in one run. */
const runRows = 4096;

export interface TrainModelOptions {
  readonly artifacts: ArtifactStore;
  /** Names of the features that follow the clock. */
  readonly calendar: ReadonlySet<string>;
  /** Id of the retrain request: seeds the bootstrap. */
  readonly request: string;
  /** sha256 of the champion's artifact, "" while there is none. */
  readonly championArtifact: string;
  /** Probability that is served where a model gives none. */
  readonly fallback: number;
  readonly guard: NativeGuard;
}

/** A model that was trained and judged, promoted or not. */
export interface TrainedModel extends GateVerdict {
  readonly trainedOn: number;
  readonly heldOut: number;
  /** "" when there was nothing to train on. */
  readonly sha256: string;
  readonly reference: readonly ReferenceHistogram[];
}

/**
 * Trains on the first rows in time, stores the artifact, and judges it on the held-out rows against
 * the champion: both as served, that is by onnxruntime in float32, with the fallback where it gives
 * NaN. Equal rows and an equal request give the same bytes.
 */
export async function trainModel(
  rows: TrainingRows,
  options: TrainModelOptions,
): Promise<TrainedModel> {
  const { train, holdout } = splitByTime(rows);
  const positives = train.labels.reduce((sum, label) => sum + label, 0);
  if (rows.n < minRows || positives === 0 || positives === train.n) {
    const reason =
      rows.n < minRows
        ? `${rows.n} labelled rows are too few; ${minRows} are needed`
        : "the training rows lack one of the two classes";
    return untrained(train.n, holdout.n, reason);
  }
  const preparation = fitPreparation(train, options.calendar);
  const design = prepare(preparation, train);
  const model = fitLogisticRegression(design, train.labels, preparation.columns);
  const bytes = logisticRegressionGraph(rows.features.length, preparation, model);
  const sha256 = await options.artifacts.put(bytes);
  const { challenger, champion } = await options.guard.run(() =>
    scoreBoth(bytes, holdout, options),
  );
  return {
    ...judge(holdout.labels, challenger, champion, options.request),
    trainedOn: train.n,
    heldOut: holdout.n,
    sha256,
    reference: referenceHistograms(train, options.calendar),
  };
}

function untrained(trainedOn: number, heldOut: number, reason: string): TrainedModel {
  return {
    promoted: false,
    reason,
    holdoutAuc: null,
    championAuc: null,
    gainLowerBound: null,
    trainedOn,
    heldOut,
    sha256: "",
    reference: [],
  };
}

async function scoreBoth(
  bytes: Buffer,
  holdout: TrainingRows,
  { artifacts, championArtifact, fallback }: TrainModelOptions,
): Promise<{ challenger: Float64Array; champion: Float64Array | null }> {
  const vectors = Float32Array.from(holdout.values);
  const challenger = await withModel(bytes, async (model) => {
    await verifyBatchInvariance(model, vectors);
    return await scoreAll(model, vectors, holdout, fallback);
  });
  if (championArtifact === "") return { challenger, champion: null };
  const championBytes = await readArtifact(artifacts.directory, championArtifact);
  const champion = await withModel(championBytes, (model) =>
    scoreAll(model, vectors, holdout, fallback),
  );
  return { challenger, champion };
}

async function withModel<Result>(
  bytes: Buffer,
  use: (model: OnnxModel) => Promise<Result>,
): Promise<Result> {
  const model = await loadOnnxModel(bytes);
  try {
    return await use(model);
  } finally {
    await model.release();
  }
}

async function scoreAll(
  model: OnnxModel,
  vectors: Float32Array,
  { n, features }: TrainingRows,
  fallback: number,
): Promise<Float64Array> {
  if (model.features !== features.length) {
    const reason = `it takes ${model.features} features, the rows have ${features.length}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
  const scores = new Float64Array(n);
  for (let from = 0; from < scores.length; from += runRows) {
    const to = Math.min(scores.length, from + runRows);
    scores.set(await model.score(vectors.slice(from * model.features, to * model.features)), from);
  }
  return scores.map((score) => (Number.isNaN(score) ? fallback : score));
}
