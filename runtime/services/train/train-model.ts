import { type GateRule, type GateVerdict, judge } from "../../../processors/train/gate.ts";
import {
  fitLogisticRegression,
  fittedProbabilities,
} from "../../../processors/train/logistic-regression.ts";
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

/** What a served probability may differ from the fitted one: the weights are applied in float. */
const maxServedError = 1e-4;

export interface TrainModelOptions {
  readonly artifacts: ArtifactStore;
  /** Names of the features that follow the clock. */
  readonly calendar: ReadonlySet<string>;
  readonly rule: GateRule;
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
 * the champion: both as served, that is by onnxruntime, with the fallback where it gives NaN.
 * Equal rows and an equal request give the same bytes.
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
  if (preparation.columns === 0) {
    return untrained(train.n, holdout.n, "no feature varies in the training rows");
  }
  const design = prepare(preparation, train);
  const model = fitLogisticRegression(design, train.labels, preparation.columns);
  const bytes = logisticRegressionGraph(rows.features.length, preparation, model);
  const sha256 = await options.artifacts.put(bytes);
  const fitted = fittedProbabilities(model, prepare(preparation, holdout));
  const { challenger, champion } = await options.guard.run(() =>
    scoreBoth(bytes, fitted, holdout, options),
  );
  return {
    ...judge(holdout.labels, challenger, champion, options.rule),
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
  fitted: Float64Array,
  holdout: TrainingRows,
  { artifacts, championArtifact, fallback }: TrainModelOptions,
): Promise<{ challenger: Float64Array; champion: Float64Array | null }> {
  const served = await withModel(bytes, async (model) => {
    await verifyBatchInvariance(model, holdout.values);
    return await scoreAll(model, holdout);
  });
  verifyServedAsFitted(served, fitted);
  const orFallback = (score: number) => (Number.isNaN(score) ? fallback : score);
  const challenger = served.map(orFallback);
  if (championArtifact === "") return { challenger, champion: null };
  const championBytes = await readArtifact(artifacts.directory, championArtifact);
  // One that fails answers nothing: what is served in its place is to be beaten.
  const champion = await withModel(championBytes, (model) => scoreAll(model, holdout)).catch(() =>
    new Float64Array(holdout.n).fill(fallback),
  );
  return { challenger, champion: champion.map(orFallback) };
}

/**
 * Checks that the graph answers what was fitted, where that is a number.
 *
 * @throws {MillraceError} MODEL_REFUSED when a probability differs by more than 1e-4.
 */
export function verifyServedAsFitted(served: Float64Array, fitted: Float64Array): void {
  for (let row = 0; row < fitted.length; row++) {
    const [here, there] = [served[row] as number, fitted[row] as number];
    if (Number.isNaN(there) || Math.abs(here - there) <= maxServedError) continue;
    const reason = `row ${row} of the held-out rows is served ${here}, and was fitted ${there}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
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
  { n, features, values }: TrainingRows,
): Promise<Float64Array> {
  if (model.features !== features.length) {
    const reason = `it takes ${model.features} features, the rows have ${features.length}`;
    throw new MillraceError("MODEL_REFUSED", { reason });
  }
  const scores = new Float64Array(n);
  for (let from = 0; from < scores.length; from += runRows) {
    const to = Math.min(scores.length, from + runRows);
    scores.set(await model.score(values.slice(from * model.features, to * model.features)), from);
  }
  return scores;
}
