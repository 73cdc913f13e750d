import type { StepFacts } from "./step-facts.ts";

/**
 * What a challenger must be to replace the champion: better, or not worse by `by` or more (AUC).
 */
export type PromoteWhen =
  | { readonly kind: "better" }
  | { readonly kind: "not-worse"; readonly by: number };

export interface TrainingSpec {
  readonly name: string;
  readonly watch: string;
  readonly algorithm: { readonly kind: "logistic-regression"; readonly seed: number };
  /** How far back of the cutoff training rows go. */
  readonly overMs: number;
  /** Look-ahead of the loop: in replay, effectiveFrom = request time + this. */
  readonly trainingTimeMs: number;
  readonly promoteWhen: PromoteWhen;
}

export interface TrainingOperator {
  readonly training: TrainingSpec;
  readonly topology: string;
  /** Name of the model that it writes versions of. */
  readonly model: string;
}

export const training: StepFacts<TrainingSpec, TrainingOperator> = {
  nameOf: ({ name }) => name,
  free: ["algorithm", "overMs", "promoteWhen"],
  growth: null,
  passes: null,
  gives: {},
  sqlGap: null,
};
