import { type Plan, stepsOf } from "../plan.ts";
import { outcomesOf, predictionsFor } from "../plan-facts.ts";
import type { TrainingSpec } from "./training.ts";
import type { WatchSpec } from "./watch.ts";

type Steps = Pick<Plan, "steps">;

/** The outcomes that a step watches, and the predictions that they are of. */
export function watchedBy(plan: Steps, watch: Pick<WatchSpec, "outcomes">) {
  const outcomes = outcomesOf(plan).find(({ name }) => name === watch.outcomes);
  return { outcomes, predictions: outcomes && predictionsFor(plan, outcomes) };
}

/** The outcomes that a training learns from, and the predictions that they are of. */
export function learnedBy(plan: Steps, training: Pick<TrainingSpec, "watch">) {
  const watch = stepsOf(plan, "watch").find(({ name }) => name === training.watch);
  return watchedBy(plan, { outcomes: watch?.outcomes ?? "" });
}

/** The training that answers the requests of a watch, by the id of one: `<watch>-<number>`. */
export function trainingFor(plan: Steps, requestId: string): TrainingSpec | undefined {
  const asking = requestId.replace(/-\d+$/, "");
  return stepsOf(plan, "training").find(({ watch }) => watch === asking);
}
