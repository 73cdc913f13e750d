import { type GateVerdict, judge } from "../../processors/train/gate.ts";
import { fitLogisticRegression } from "../../processors/train/logistic-regression.ts";
import { fitPreparation, prepare } from "../../processors/train/preparation.ts";
import { referenceHistograms } from "../../processors/train/reference-histograms.ts";
import { splitByTime, type TrainingRows } from "../../processors/train/training-rows.ts";
import type { ReferenceHistogram } from "../../schemas/payload.ts";
import { loadOnnxModel, type OnnxModel, verifyBatchInvariance } from "../scoring/onnx-model.ts";
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
 * the champion: both as served, that is by onnxruntime in float32. Equal rows and an equal request
 * give the same bytes.
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
  { artifacts, championArtifact }: TrainModelOptions,
): Promise<{ challenger: Float64Array; champion: Float64Array | null }> {
  const vectors = Float32Array.from(holdout.values);
  const challenger = await withModel(bytes, async (model) => {
    await verifyBatchInvariance(model, vectors);
    return await scoreAll(model, vectors);
  });
  if (championArtifact === "") return { challenger, champion: null };
  const championBytes = await readArtifact(artifacts.directory, championArtifact);
  return { challenger, champion: await withModel(championBytes, (m) => scoreAll(m, vectors)) };
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

async function scoreAll(model: OnnxModel, vectors: Float32Array): Promise<Float64Array> {
  const scores = new Float64Array(vectors.length / model.features);
  for (let from = 0; from < scores.length; from += runRows) {
    const to = Math.min(scores.length, from + runRows);
    scores.set(await model.score(vectors.slice(from * model.features, to * model.features)), from);
  }
  return scores;
}
