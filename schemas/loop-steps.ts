import {
  type LabelSpec,
  type Plan,
  type ScoringSpec,
  stepsOf,
  type TrainingSpec,
  type WatchSpec,
} from "./plan.ts";

type Steps = Pick<Plan, "steps">;

/** The step that labels the predictions of a scoring step, where there is one. */
export function labelOf(plan: Steps, scoring: Pick<ScoringSpec, "name">): LabelSpec | undefined {
  return stepsOf(plan, "label").find(({ predictions }) => predictions === scoring.name);
}

/** The scoring step whose predictions a step labels. */
export function scoringOf(
  plan: Steps,
  label: Pick<LabelSpec, "predictions">,
): ScoringSpec | undefined {
  return stepsOf(plan, "scoring").find(({ name }) => name === label.predictions);
}

/** The steps whose outcomes a step watches. */
export function watchedBy(plan: Steps, watch: Pick<WatchSpec, "outcomes">) {
  const label = stepsOf(plan, "label").find(({ name }) => name === watch.outcomes);
  return { label, scoring: label && scoringOf(plan, label) };
}

/** The steps whose outcomes a training learns from. */
export function learnedBy(plan: Steps, training: Pick<TrainingSpec, "watch">) {
  const watch = stepsOf(plan, "watch").find(({ name }) => name === training.watch);
  return watchedBy(plan, { outcomes: watch?.outcomes ?? "" });
}
