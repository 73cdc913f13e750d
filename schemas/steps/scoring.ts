import type { FeatureOutput } from "../feature-view.ts";
import type { RouteSpec } from "../route.ts";
import type { LabelSpec } from "./label.ts";
import type { EncodedFeatureSpec, PredictionFacts } from "./predictions.ts";
import type { StepFacts } from "./step-facts.ts";

export interface ScoringSpec extends PredictionFacts {
  /** Whether the key field may be beyond what a long holds: no such record is scored. */
  readonly unsignedKey?: true;
}

export interface ScoringOperator {
  readonly scoring: ScoringSpec;
  readonly label: LabelSpec | null;
  /** Whether triggers say the source partition of their record. @default it is their writer */
  readonly placed?: true;
  /** What other steps ask of predictions and outcomes. @default nothing */
  readonly routes?: {
    readonly predictions: readonly RouteSpec[];
    readonly outcomes: readonly RouteSpec[];
  };
  /** By look-up how many features it brings. */
  readonly widths: readonly number[];
  /** By look-up how its answers become features, where not all of them are numbers. @default are */
  readonly answers?: readonly (AnswerSpec | null)[];
}

/** How an answer with values of several types becomes features. */
export interface AnswerSpec {
  /** All columns of the view, in their order. */
  readonly columns: readonly { readonly name: string; readonly output: FeatureOutput }[];
  /** Features that follow those of the columns. */
  readonly encoded: readonly EncodedFeatureSpec[];
}

export const scoring: StepFacts<ScoringSpec, ScoringOperator> = {
  nameOf: ({ name }) => name,
  // What rules read and what is told of them is bound: payloads, state and columns have it. Whether
  // a step explains is bound, too: the log of its work has a result more.
  free: ["deadlineMs", "fallback", "rules", "ranges", "explainsMost", "stores"],
  growth: null,
  passes: null,
  gives: { predictions: (spec) => spec },
  sqlGap: "what a model answers is no SQL",
};
