import type { StepFacts } from "./step-facts.ts";

export type DetectorSpec =
  | { readonly kind: "features"; readonly overMs: number }
  | {
      readonly kind: "performance";
      readonly metric: "auc";
      readonly overMs: number;
      readonly floor: number;
    };

export type RetrainTrigger =
  | { readonly when: "no-model"; readonly labels: number }
  | { readonly when: "drifted"; readonly detector: "features" | "performance" }
  | { readonly when: "every"; readonly periodMs: number }
  | { readonly when: "labels"; readonly labels: number };

export interface WatchSpec {
  readonly name: string;
  /** Name of the label step. */
  readonly outcomes: string;
  readonly detectors: readonly DetectorSpec[];
  /** Any of them asks for a retraining. */
  readonly triggers: readonly RetrainTrigger[];
  readonly cooldownMs: number;
  readonly driftTopic: string;
  readonly requestTopic: string;
}

export interface WatchOperator {
  readonly watch: WatchSpec;
  /** Names of the vector in predictions. */
  readonly features: readonly string[];
  /** How long a prediction waits for its label. */
  readonly withinMs: number;
  /** Of predictions that say whether a challenger made them. */
  readonly routed?: true;
}

export const watch: StepFacts<WatchSpec, WatchOperator> = {
  nameOf: ({ name }) => name,
  free: [],
  growth: null,
  passes: null,
  gives: {},
  sqlGap: null,
};
