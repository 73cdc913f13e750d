import { type FeatureViewSpec, viewId } from "./feature-view.ts";
import type { Plan, PredictionFacts } from "./plan.ts";
import type { OutcomeFacts } from "./steps/predictions.ts";
import { givenBy } from "./steps/steps.ts";

/** What a plan gives to those who read, count and serve it: no kind of step is asked for here. */
type Steps = Pick<Plan, "steps">;

/** The feature views that its steps keep, in the order of the plan. */
export function viewsOf({ steps }: Steps): readonly FeatureViewSpec[] {
  return steps.flatMap((step) => givenBy(step, "features") ?? []);
}

/** The view of an id, `name@version`. */
export function viewNamed(plan: Steps, id: string): FeatureViewSpec | undefined {
  return viewsOf(plan).find((view) => viewId(view) === id);
}

/** The predictions that its steps make, in the order of the plan. */
export function predictionsOf({ steps }: Steps): readonly PredictionFacts[] {
  return steps.flatMap((step) => givenBy(step, "predictions") ?? []);
}

/** The outcomes that its steps find, in the order of the plan. */
export function outcomesOf({ steps }: Steps): readonly OutcomeFacts[] {
  return steps.flatMap((step) => givenBy(step, "outcomes") ?? []);
}

/** The outcomes of some predictions, where a step finds them. */
export function outcomesFor(
  plan: Steps,
  { name }: Pick<PredictionFacts, "name">,
): OutcomeFacts | undefined {
  return outcomesOf(plan).find(({ predictions }) => predictions === name);
}

/** The predictions that outcomes are of. */
export function predictionsFor(
  plan: Steps,
  { predictions }: Pick<OutcomeFacts, "predictions">,
): PredictionFacts | undefined {
  return predictionsOf(plan).find(({ name }) => name === predictions);
}

/** Names of the models that its steps ask, each once. */
export function modelNames(plan: Steps): string[] {
  return [...new Set(predictionsOf(plan).map(({ model }) => model.name))];
}
