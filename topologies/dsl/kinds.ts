import type { StepKind } from "../../schemas/plan.ts";
import type { StepModule } from "./compile/step-module.ts";
import { dedupStep } from "./dedup/step.ts";
import { labelStep } from "./labels/step.ts";
import { scoringStep } from "./scoring/step.ts";
import { trainingStep } from "./training/step.ts";
import { viewStep } from "./view/step.ts";
import { watchStep } from "./watch/step.ts";

/** Every kind of step, in the order in which a plan tells of them: one line a kind. */
export const stepKinds: { readonly [K in StepKind]: StepModule<K> } = {
  dedup: dedupStep,
  view: viewStep,
  scoring: scoringStep,
  label: labelStep,
  watch: watchStep,
  training: trainingStep,
};

/** A module whose specs and definitions are known to itself alone: give it only its own. */
export function stepModule(kind: StepKind): StepModule {
  return stepKinds[kind];
}
