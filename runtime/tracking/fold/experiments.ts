import type { Pair } from "../../../schemas/tracking-command.ts";
import {
  activeExperiment,
  checkLength,
  checkPairs,
  exists,
  experimentOf,
  type Handlers,
  invalid,
  setAll,
  unknown,
  valueMost,
} from "./handler.ts";
import { artifactScheme, type Experiment, type TrackingState } from "./tracking-state.ts";

/** Experiments: names are unique among all, deleted ones too. */
export const experiments: Handlers<
  | "experiment.create"
  | "experiment.rename"
  | "experiment.delete"
  | "experiment.restore"
  | "experiment.tag"
> = {
  "experiment.create": (state, { name, location, tags, at }) => {
    checkName(state, name);
    checkPairs("tag", tags);
    const own = locationOf(state.nextExperiment);
    if (location !== "" && location !== own) {
      invalid("artifact_location is chosen here, for artifacts stand in the store of the topology");
    }
    return () => newExperiment(state, { name, tags, at });
  },
  "experiment.rename": (state, { experiment, name, at }) => {
    const found = activeExperiment(state, experiment);
    if (name !== found.name) checkName(state, name);
    return () => {
      state.experimentsByName.delete(found.name);
      found.name = name;
      found.updatedAt = at;
      state.experimentsByName.set(name, found);
    };
  },
  "experiment.delete": (state, { experiment, at }) => {
    const found = activeExperiment(state, experiment);
    if (experiment === "0") invalid("the experiment Default cannot be deleted");
    return () => {
      found.stage = "deleted";
      found.updatedAt = at;
      for (const run of state.runs.values()) {
        if (run.experiment !== experiment || run.stage === "deleted") continue;
        run.stage = "deleted";
        run.wentWithExperiment = true;
      }
    };
  },
  "experiment.restore": (state, { experiment, at }) => {
    const found = experimentOf(state, experiment);
    if (found.stage === "active") invalid(`the experiment ${found.name} is not deleted`);
    return () => {
      found.stage = "active";
      found.updatedAt = at;
      for (const run of state.runs.values()) {
        if (run.experiment !== experiment || !run.wentWithExperiment) continue;
        run.stage = "active";
        run.wentWithExperiment = false;
      }
    };
  },
  "experiment.tag": (state, { experiment, key, value, at }) => {
    const found = activeExperiment(state, experiment);
    if (value !== null) checkPairs("tag", [{ key, value }]);
    else if (!found.tags.has(key)) unknown(`tag of the experiment ${found.name}`, key);
    return () => {
      if (value === null) found.tags.delete(key);
      else setAll(found.tags, [{ key, value }]);
      found.updatedAt = at;
    };
  },
};

export function newExperiment(
  state: TrackingState,
  {
    name,
    tags,
    at,
  }: { readonly name: string; readonly tags: readonly Pair[]; readonly at: number },
): Experiment {
  const location = locationOf(state.nextExperiment);
  const made: Experiment = {
    ...{ id: String(state.nextExperiment++), name, location, stage: "active" },
    ...{ createdAt: at, updatedAt: at, tags: new Map() },
  };
  setAll(made.tags, tags);
  state.experiments.set(made.id, made);
  state.experimentsByName.set(name, made);
  return made;
}

function locationOf(experiment: number): string {
  return `${artifactScheme}/${experiment}`;
}

function checkName({ experimentsByName }: TrackingState, name: string): void {
  if (name.trim() === "") invalid("the name of an experiment is empty");
  checkLength("the name of the experiment", name, valueMost.name);
  const found = experimentsByName.get(name);
  const isDeleted = found?.stage === "deleted";
  if (found) exists("experiment", name, isDeleted ? ": it is deleted, restore it" : "");
}
