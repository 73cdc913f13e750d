import type { Predictions } from "../../runtime/predict/predictions.ts";
import type { ModelStatistics, RawModel } from "../../runtime/predict/raw-models.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { invalid } from "../read-request.ts";
import { onlyOutput, wholeInput } from "./infer-request.ts";

/** What tells clients of the protocol what they may ask. */
export const extensions = [
  ...["binary_tensor_data", "model_repository", "parameters", "schedule_policy", "statistics"],
];

/**
 * Names of all versions of a model.
 *
 * @param version - one that has to be among them; undefined: none has to.
 * @throws {MillraceError} MODEL_VERSION_UNKNOWN.
 */
export async function knownVersions(
  model: RawModel,
  version: string | undefined,
): Promise<string[]> {
  const versions = await model.versions();
  if (version === undefined || versions.includes(version)) return versions;
  const known = versions.length === 0 ? "none yet" : versions.join(", ");
  const told = { model: model.name, version: version.slice(0, 100), known };
  throw new MillraceError("MODEL_VERSION_UNKNOWN", told);
}

/** What a model takes and gives. */
export function metadataOf({ name, features }: RawModel, versions: string[]) {
  return {
    ...{ name, versions, platform: "onnx_onnxv1" },
    inputs: [{ name: wholeInput, datatype: "FP64", shape: [-1, features.length] }],
    outputs: [{ name: onlyOutput, datatype: "FP64", shape: [-1, 1] }],
    parameters: { features: features.join(",") },
  };
}

/** Whether a model answers. @param version - undefined: its champion. */
export async function isReady(model: RawModel, version: string | undefined): Promise<boolean> {
  await knownVersions(model, version);
  return version !== undefined || (await model.champion()) !== null;
}

/** All versions of all models. @param ready - only those that answer when nobody names one. */
export async function repositoryIndex(predictions: Predictions, ready: boolean) {
  const models = predictions.modelNames().map((name) => predictions.model(name));
  const all = await Promise.all(models.map(indexOf));
  return all.flat().filter(({ state }) => !ready || state === "READY");
}

async function indexOf(model: RawModel) {
  const champion = await model.champion();
  const { name } = model;
  return (await model.versions()).map((version) => {
    const state = version === champion ? "READY" : "AVAILABLE";
    return { name, version, state, reason: "" };
  });
}

/** @throws {MillraceError} MODEL_UNKNOWN, REQUEST_INVALID: always. */
export function refuseChange(predictions: Predictions, model: string, verb: string, where: string) {
  predictions.model(model);
  return invalid(where, `models are not ${verb}ed: register or promote them, millrace models`);
}

/**
 * How often models were asked since the gateway began.
 *
 * @param name - null: all models.
 * @param version - undefined: all versions.
 * @throws {MillraceError} MODEL_UNKNOWN, MODEL_VERSION_UNKNOWN.
 */
export async function statisticsOf(
  predictions: Predictions,
  name: string | null,
  version: string | undefined,
) {
  const models = (name === null ? predictions.modelNames() : [name]).map((each) =>
    predictions.model(each),
  );
  const told = models.map(async (model) => {
    await knownVersions(model, version);
    const all = model.statistics().filter((each) => [undefined, each.version].includes(version));
    return all.map((each) => statisticsTold(model.name, each));
  });
  return (await Promise.all(told)).flat();
}

function statisticsTold(name: string, { version, rows, last, ...counted }: ModelStatistics) {
  const nanoseconds = (ms: number) => Math.round(ms * 1e6);
  const { requests, failed, requestMs, failedMs } = counted;
  return {
    ...{ name, version, last_inference: last ?? 0 },
    ...{ inference_count: rows, execution_count: requests - failed },
    inference_stats: {
      success: { count: requests - failed, ns: nanoseconds(requestMs) },
      fail: { count: failed, ns: nanoseconds(failedMs) },
    },
  };
}
