import {
  artifactScheme,
  type Experiment,
  type LoggedModel,
  loggedModelArtifacts,
  type MetricPoint,
  type Run,
  runArtifacts,
} from "../../runtime/tracking/fold/tracking-state.ts";
import type { LoggedNumber, Pair } from "../../schemas/tracking-command.ts";

/** What MLflow's clients read, as protocol buffers in JSON have it. */
export function experimentJson(experiment: Experiment): object {
  const { id, name, location, stage, createdAt, updatedAt, tags } = experiment;
  return {
    ...{ experiment_id: id, name, artifact_location: location, lifecycle_stage: stage },
    ...{ creation_time: createdAt, last_update_time: updatedAt, tags: pairsOf(tags) },
  };
}

export function runInfoJson(run: Run): object {
  const { id, name, experiment, user, status, startTime, endTime, stage } = run;
  return {
    ...{ run_id: id, run_uuid: id, run_name: name, experiment_id: experiment, user_id: user },
    ...{ status, start_time: startTime, ...(endTime === 0 ? {} : { end_time: endTime }) },
    ...{ artifact_uri: `${artifactScheme}/${runArtifacts(run)}`, lifecycle_stage: stage },
  };
}

export function runJson(run: Run): object {
  const { metrics, params, tags, datasets, modelInputs, modelOutputs } = run;
  return {
    info: runInfoJson(run),
    data: {
      metrics: [...metrics.values()].map(({ latest }) => metricJson(latest, run.id)),
      params: pairsOf(params),
      tags: pairsOf(tags),
    },
    inputs: {
      dataset_inputs: datasets,
      model_inputs: modelInputs.map((model_id) => ({ model_id })),
    },
    outputs: {
      model_outputs: modelOutputs.map(({ modelId: model_id, step }) => ({ model_id, step })),
    },
  };
}

export function metricJson(point: MetricPoint, run: string): object {
  const { key, value, timestamp, step, modelId, datasetName, datasetDigest } = point;
  return {
    ...{ key, value: numberJson(value), timestamp, step, run_id: run },
    ...(modelId === undefined ? {} : { model_id: modelId }),
    ...(datasetName === undefined ? {} : { dataset_name: datasetName }),
    ...(datasetDigest === undefined ? {} : { dataset_digest: datasetDigest }),
  };
}

/** A double: JSON has no NaN and nothing infinite, and protocol buffers write those as texts. */
export function numberJson(value: number): LoggedNumber {
  return Number.isFinite(value) ? value : (String(value) as LoggedNumber);
}

export function loggedModelJson(model: LoggedModel, metrics: readonly object[] = []): object {
  const { id, experiment, name, type, run, createdAt, updatedAt, status, params, tags } = model;
  return {
    info: {
      ...{ model_id: id, experiment_id: experiment, name, model_type: type, source_run_id: run },
      ...{ creation_timestamp_ms: createdAt, last_updated_timestamp_ms: updatedAt, status },
      ...{ artifact_uri: `${artifactScheme}/${loggedModelArtifacts(model)}`, tags: pairsOf(tags) },
    },
    data: { params: pairsOf(params), metrics },
  };
}

export function pairsOf(map: ReadonlyMap<string, string>): Pair[] {
  return [...map].map(([key, value]) => ({ key, value }));
}
