import type { Encoding } from "../encoding.ts";
import type { FeatureOutput } from "../feature-view.ts";
import type { RouteSpec } from "../route.ts";
import type { RowLayout } from "../row-layout.ts";
import type { TransformSpec } from "../transforms/through.ts";
import type { LabelSpec } from "./label.ts";
import type { StepFacts } from "./step-facts.ts";

/** One look-up that a triggering record makes before it is scored. */
export interface LookupSpec {
  /** Prefix of its feature names, e.g. `inbound`. */
  readonly slot: string;
  /** `name@version` of the view. */
  readonly view: string;
  /** Fields of the triggering record that make the entity key. */
  readonly keyFields: readonly string[];
  /** Features made of texts of the view, by name. @default none */
  readonly encoded?: readonly EncodedFeatureSpec[];
}

/** A number that is made of a text column of a view. */
export interface EncodedFeatureSpec {
  /** Its name in the vector. */
  readonly name: string;
  readonly column: string;
  readonly encoding: Encoding;
}

/** A field of the triggering record that is a feature itself. */
export interface RequestFeatureSpec {
  readonly name: string;
  readonly field: string;
  /**
   * Calendar features follow the clock; drift detection leaves them out, training takes them as
   * categories.
   */
  readonly calendar: boolean;
  /** How a text becomes this number. @default the field is a number */
  readonly encoding?: Encoding;
}

export interface ScoringSpec {
  /** Step name given by the topology, e.g. `predictions`. */
  readonly name: string;
  /** Triggering source topic. */
  readonly source: string;
  /** What its records go through first. @default nothing */
  readonly through?: readonly TransformSpec[];
  readonly keyField: string;
  /** Avro type of the key field: how the id appears in predictions and outcomes. */
  readonly keyType: "long" | "string";
  /** Whether the key field may be beyond what a long holds: no such record is scored. */
  readonly unsignedKey?: true;
  readonly lookups: readonly LookupSpec[];
  readonly request: readonly RequestFeatureSpec[];
  /**
   * Names of the feature vector in order: by look-up `slot_column` of all columns but texts, then
   * what is made of these; then the request features by name. Numbers; null (NaN) where missing.
   */
  readonly features: readonly string[];
  /**
   * Fields of the triggering record that predictions and outcomes tell other steps of.
   * @default none: no step takes their records
   */
  readonly keys?: RowLayout;
  readonly model: { readonly name: string; readonly alias: "champion" };
  /** Live mode only: bounds the model call. */
  readonly deadlineMs: number;
  /** `previous`: in place of a version that is put aside the one before it answers, if any. */
  readonly fallback: { readonly kind: "prior"; readonly value: number; readonly previous?: true };
  readonly topic: string;
  readonly stores: readonly "offline"[];
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
  free: ["deadlineMs", "fallback", "stores"],
  growth: null,
  passes: null,
  sqlGap: "what a model answers is no SQL",
};
