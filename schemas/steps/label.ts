import type { Condition } from "../expression.ts";
import type { TransformSpec } from "../transforms/through.ts";
import type { OutcomeFacts } from "./predictions.ts";
import type { StepFacts } from "./step-facts.ts";

export interface LabelSpec extends OutcomeFacts {
  /** What the label records go through first. @default nothing */
  readonly through?: readonly TransformSpec[];
  readonly label: Condition;
}

/** The tasks of its predictions do the work. */
export const label: StepFacts<LabelSpec> = {
  nameOf: ({ name }) => name,
  free: ["stores"],
  growth: null,
  passes: null,
  gives: { outcomes: (spec) => spec },
  sqlGap: "an outcome holds what a model answers, which is no SQL",
};
