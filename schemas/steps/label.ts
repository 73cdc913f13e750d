import type { Condition } from "../expression.ts";
import type { TransformSpec } from "../transforms/through.ts";
import type { StepFacts } from "./step-facts.ts";

export interface LabelSpec {
  readonly name: string;
  /** Name of the scoring step whose predictions are labelled. */
  readonly predictions: string;
  readonly source: string;
  /** What the label records go through first. @default nothing */
  readonly through?: readonly TransformSpec[];
  readonly keyField: string;
  readonly withinMs: number;
  /** What an outcome without a label in time is taken for. */
  readonly unlabelled: "negative" | "unknown";
  readonly label: Condition;
  readonly topic: string;
  readonly stores: readonly "offline"[];
}

/** The tasks of its predictions do the work. */
export const label: StepFacts<LabelSpec> = {
  nameOf: ({ name }) => name,
  free: ["stores"],
  growth: null,
  passes: null,
  sqlGap: "an outcome holds what a model answers, which is no SQL",
};
