import { newExperiment } from "./experiments.ts";
import { checkPairs, type Handlers, setAll } from "./handler.ts";
import { addMetric, newRun } from "./runs.ts";
import type { Experiment, TrackingState } from "./tracking-state.ts";

/** Runs that are found, not logged: several gateways may find one at once, and the first counts. */
export const adoptedRuns: Handlers<"run.adopt"> = {
  "run.adopt": (state, command) => {
    const { run, params, tags, metrics, datasets } = command;
    if (state.runs.has(run)) return () => {};
    checkPairs("param", params);
    checkPairs("tag", tags);
    return () => {
      const { id, stage } = experimentFor(state, command);
      const { user, name, startTime } = command;
      const made = newRun({ run, experiment: id, user, name, startTime });
      made.status = command.status;
      made.endTime = command.endTime;
      made.stage = stage;
      made.wentWithExperiment = stage === "deleted";
      setAll(made.params, params);
      setAll(made.tags, tags);
      for (const metric of metrics) addMetric(made, metric);
      made.datasets.push(...datasets);
      state.runs.set(run, made);
    };
  },
};

/** The tag that an experiment of trainings keeps when people give it another name. */
const trainingsTag = "millrace.trainings";

function experimentFor(
  state: TrackingState,
  { experiment: name, at }: { readonly experiment: string; readonly at: number },
): Experiment {
  const tagged = [...state.experiments.values()].find(
    ({ tags }) => tags.get(trainingsTag) === name,
  );
  const tags = [{ key: trainingsTag, value: name }];
  return tagged ?? state.experimentsByName.get(name) ?? newExperiment(state, { name, tags, at });
}
