import type { LoggedMetric } from "../../../schemas/tracking-command.ts";
import {
  activeExperiment,
  activeRun,
  checkKey,
  checkLength,
  checkPairs,
  checkParams,
  exists,
  type Handlers,
  invalid,
  runOf,
  setAll,
  unknown,
  valueMost,
} from "./handler.ts";
import type { MetricPoint, Run } from "./tracking-state.ts";

/** Runs, and what is logged of them. */
export const runs: Handlers<
  | "run.create"
  | "run.update"
  | "run.delete"
  | "run.restore"
  | "run.log"
  | "run.untag"
  | "run.inputs"
  | "run.outputs"
> = {
  "run.create": (state, { run, experiment, user, name, startTime, tags }) => {
    activeExperiment(state, experiment);
    if (state.runs.has(run)) exists("run", run);
    checkPairs("tag", tags);
    checkLength("the name of the run", name, valueMost.tag);
    return () => {
      const made = newRun({ run, experiment, user, name, startTime });
      setAll(made.tags, tags);
      state.runs.set(run, made);
      return made;
    };
  },
  "run.update": (state, { run, status, endTime, name }) => {
    const found = activeRun(state, run);
    if (name !== undefined) checkLength("the name of the run", name, valueMost.tag);
    return () => {
      if (status !== undefined) found.status = status;
      if (endTime !== undefined) found.endTime = endTime;
      if (name !== undefined && name !== "") rename(found, name);
      return found;
    };
  },
  "run.delete": (state, { run }) => {
    const found = activeRun(state, run);
    return () => {
      found.stage = "deleted";
    };
  },
  "run.restore": (state, { run }) => {
    const found = runOf(state, run);
    if (found.stage === "active") invalid(`the run ${run} is not deleted`);
    activeExperiment(state, found.experiment);
    return () => {
      found.stage = "active";
      found.wentWithExperiment = false;
    };
  },
  "run.log": (state, { run, metrics, params, tags }) => {
    const found = activeRun(state, run);
    for (const { key } of metrics) checkKey("key of a metric", key);
    checkPairs("param", params);
    checkPairs("tag", tags);
    checkParams(`the run ${run}`, found.params, params);
    return () => {
      setAll(found.params, params);
      for (const { key, value } of tags) {
        if (key === nameTag) rename(found, value);
        else found.tags.set(key, value);
      }
      for (const metric of metrics) addMetric(found, metric);
    };
  },
  "run.untag": (state, { run, key }) => {
    const found = activeRun(state, run);
    if (!found.tags.has(key)) unknown(`tag of the run ${run}`, key);
    return () => void found.tags.delete(key);
  },
  "run.inputs": (state, { run, datasets, models }) => {
    const found = activeRun(state, run);
    return () => {
      const known = new Set(found.datasets.map(({ dataset }) => datasetKey(dataset)));
      found.datasets.push(...datasets.filter(({ dataset }) => !known.has(datasetKey(dataset))));
      found.modelInputs.push(...models);
    };
  },
  "run.outputs": (state, { run, models }) => {
    const found = activeRun(state, run);
    return () => void found.modelOutputs.push(...models);
  },
};

/** The tag that clients hold the name of a run in. */
const nameTag = "mlflow.runName";

export function newRun(of: {
  readonly run: string;
  readonly experiment: string;
  readonly user: string;
  readonly name: string;
  readonly startTime: number;
}): Run {
  const { run: id, ...rest } = of;
  return {
    ...{ id, ...rest, endTime: 0, status: "RUNNING", stage: "active" },
    ...{ wentWithExperiment: false, params: new Map(), tags: new Map([[nameTag, of.name]]) },
    ...{ metrics: new Map(), datasets: [], modelInputs: [], modelOutputs: [] },
  };
}

function rename(run: Run, name: string): void {
  run.name = name;
  run.tags.set(nameTag, name);
}

export function addMetric(run: Run, logged: LoggedMetric): void {
  const { value, ...rest } = logged;
  addPoint(run, { ...rest, value: Number(value) });
}

export function addPoint(run: Run, point: MetricPoint): void {
  const found = run.metrics.get(point.key);
  if (found === undefined) {
    run.metrics.set(point.key, { points: [point], latest: point });
    return;
  }
  found.points.push(point);
  if (isLater(point, found.latest)) found.latest = point;
}

/** The value of a metric: that of the last step, of a step the last, of an instant the largest. */
function isLater(a: MetricPoint, b: MetricPoint): boolean {
  if (a.step !== b.step) return a.step > b.step;
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp;
  return a.value > b.value || Number.isNaN(b.value);
}

function datasetKey({ name, digest }: Readonly<Record<string, string>>): string {
  return `${name}\0${digest}`;
}
