import type { Encoding } from "../encodings/encodings.ts";
import type { RowLayout } from "../row-layout.ts";
import type { TransformSpec } from "../transforms/through.ts";
import type { RangeSpec, RuleSpec, ToldName } from "./rules.ts";

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

/** By what the records of a step are shared out among the versions of its model. */
export interface RoutingSpec {
  /** Field of the triggering record: one key has one version. */
  readonly by: string;
  /** Field whose values may have challengers of their own; null: none may. */
  readonly segment: string | null;
  /** Steps of one salt share alike. */
  readonly salt: string;
}

/** What others know of the predictions of a step, whatever makes them. */
export interface PredictionFacts {
  /** Step name given by the topology, e.g. `predictions`. */
  readonly name: string;
  /** Triggering source topic. */
  readonly source: string;
  /** What its records go through first. @default nothing */
  readonly through?: readonly TransformSpec[];
  readonly keyField: string;
  /** Avro type of the key field: how the id appears in predictions and outcomes. */
  readonly keyType: "long" | "string";
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
  /** What is done with a score, in order. @default none: the score is the answer */
  readonly rules?: readonly RuleSpec[];
  /** Where features are expected, in the order of the vector. @default anywhere */
  readonly ranges?: readonly RangeSpec[];
  /** How records are routed. @default the champion answers all */
  readonly routing?: RoutingSpec;
  /** Fields of the triggering record that rules and routes read. @default none */
  readonly reads?: RowLayout;
  /** What predictions and outcomes tell besides. @default nothing */
  readonly tells?: readonly ToldName[];
  /** Whether predictions tell what features contributed to their scores. @default they do not */
  readonly explains?: true;
  /** Features that are told of a prediction at most: those that contributed most. */
  readonly explainsMost?: number;
  readonly topic: string;
  readonly stores: readonly "offline"[];
}

/** What others know of outcomes, whatever finds them: predictions, and what came about. */
export interface OutcomeFacts {
  readonly name: string;
  /** Name of the step that makes the predictions. */
  readonly predictions: string;
  /** What yields the records that say what came about. */
  readonly source: string;
  /** Their field with the id of the prediction. */
  readonly keyField: string;
  readonly withinMs: number;
  /** What an outcome without a label in time is taken for. */
  readonly unlabelled: "negative" | "unknown";
  readonly topic: string;
  readonly stores: readonly "offline"[];
}
