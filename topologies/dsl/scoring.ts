import type { Duration } from "../../schemas/duration.ts";
import { snakeCase } from "../../schemas/feature-view.ts";
import type { RowField, RowLayout } from "../../schemas/row-layout.ts";
import type { RuleSpec } from "../../schemas/steps/rules.ts";
import { answerFields, idOf, keyPaths, keysOf, toldIn } from "./answers.ts";
import type { StoreRole, StreamDefinition } from "./definitions.ts";
import type { NamedRequest } from "./enrichment.ts";
import type { FieldOf, KeyField } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import { type LabelBy, labelBy } from "./label.ts";
import type { LookupDefinition } from "./lookup.ts";
import { type Records, records } from "./records.ts";
import type { Offline, OutputTopic } from "./roles.ts";
import type { Range, Rule, RuleRecord } from "./rules.ts";
import { columnsOf } from "./view/outputs.ts";

export interface ScoringDefinition {
  readonly source: StreamDefinition;
  readonly lookups: Readonly<Record<string, LookupDefinition>>;
  readonly request: readonly NamedRequest[];
  /** Made of texts of look-ups, whose fields are `slot_column`. */
  readonly derived: readonly NamedRequest[];
  readonly missing: string;
  readonly modelName: string;
  readonly model: string;
  readonly deadline: string;
  readonly fallback: {
    readonly kind: "prior";
    readonly value: number;
    readonly previous?: true;
  };
  /** Undefined: predictions tell of none. */
  readonly rules: readonly RuleSpec[] | undefined;
  readonly ranges: Readonly<Record<string, Range | undefined>> | undefined;
  /** Undefined: the champion answers all. */
  readonly routed: Routing | undefined;
  /** Undefined: scores are not explained. */
  readonly explain: Explained | undefined;
  readonly topic: string;
  readonly roles: readonly StoreRole[];
}

/** What is known of records before they are scored. */
export type EnrichedDefinition = Pick<
  ScoringDefinition,
  "source" | "lookups" | "request" | "derived" | "missing"
>;

/** A probability that answers when no model does. */
export interface Prior {
  readonly kind: "prior";
  readonly value: number;
}

/** The fallback: always this probability, in [0, 1]. Such predictions say that they are one. */
export function prior(value: number): Prior {
  return freezeDeeply({ kind: "prior", value });
}

/** The version of the model that was in force before the one that is. */
export interface PreviousVersion {
  readonly kind: "previous-version";
}

/**
 * The fallback of a version that is put aside because it failed: the version before it, where there
 * is one. Such predictions say which version answered.
 */
export function previousVersion(): PreviousVersion {
  return freezeDeeply({ kind: "previous-version" });
}

export interface ScoringOptions<T, Feature extends string> {
  /** Alias of the model version in force. */
  readonly model: "@champion";
  /**
   * Live mode: bounds the model call of a record; past it the fallback answers. Loading a model, in
   * its first call, has no limit.
   */
  readonly deadline: Duration;
  /** Answers while there is no model, or when it fails. */
  readonly fallback: Prior | readonly [PreviousVersion, Prior];
  /**
   * What is done with scores, in order: {@link override}, {@link blockList}, {@link threshold}.
   * Predictions and outcomes then tell `score`, `rule`, `decision` and `decidedBy`, also where the
   * list is empty. Drift, performance and trainings go by the score, not by what a rule made of it.
   * @default none: the score is the answer
   */
  readonly rules?: readonly Rule<RuleRecord<T, Feature>>[];
  /**
   * Where features are expected, by their names in the vector. Predictions and outcomes then tell
   * `flags`, also of an empty object.
   * @default anywhere
   */
  readonly ranges?: { readonly [F in Feature]?: Range };
  /**
   * Has `millrace models route` share the records out among versions. Predictions and outcomes then
   * tell `role`, `assigned`, `rerouted`, `bucket`, `segment`, `shadowVersion` and `shadowScore`.
   * @default the champion answers all
   */
  readonly routed?: RoutedBy<T>;
  /**
   * Has predictions tell what each feature contributed to the model's score, before rules:
   * `explanation`, or `explanationReason` where the model is neither of trees nor linear, or the
   * fallback answered. Computed behind the score, so that no deadline bounds it.
   * @default scores are not explained
   */
  readonly explain?: Explained;
}

/** How much of an explanation predictions tell. */
export interface Explained {
  /** Features that are named, 1 to 100: those that contributed most. */
  readonly top: number;
}

/** By what records are shared out among the versions of a model. */
export interface RoutedBy<T> {
  /** Field of the record: one value of it has one version, as long as that one's share stays. */
  readonly by: KeyField<T>;
  /** Field whose values may have challengers of their own. @default none */
  readonly segment?: FieldOf<T, string | null>;
  /** Steps of one experiment share alike. @default the name of the step */
  readonly experiment?: string;
}

/** As {@link RoutedBy}, of a record that is not known. */
export interface Routing {
  readonly by: string;
  readonly segment?: string;
  readonly experiment?: string;
}

/** Names the model and how it is called. */
export type ScoreBy<T, Id, Feature extends string, Keys> = (
  modelName: string,
  options: ScoringOptions<T, Feature>,
) => Unpublished<Id, Feature, Keys>;

/** Predictions that do not say yet where they go. */
export interface Unpublished<Id, Feature extends string, Keys> {
  /** Writes predictions to a topic and, with `offline`, into the offline store. */
  into(topic: OutputTopic, ...stores: readonly Offline[]): Predictions<Id, Feature, Keys>;
}

/**
 * Scored records, one prediction for each triggering record. Features are kept over them as over
 * those of a stream, each at the event time of its record.
 *
 * @example
 * predictions.where(gt("probability", 0.9)).keyedBy("keys.card").over("1d").compute({ … })
 */
export interface Predictions<Id, Feature extends string, Keys = unknown>
  extends Records<Prediction<Id, Feature, Keys>> {
  readonly kind: "scoring";
  readonly definition: ScoringDefinition;
  /** Joins each prediction with the ground truth once that is known. */
  readonly labelledBy: LabelBy<Id, Keys>;
  /** Only a type: the names of the feature vector. */
  readonly __features?: Feature;
}

/**
 * What a prediction says, with the id of its record as `id`; its features and the fields of its
 * record that made entity keys under their paths, `features.card_payments_1h` and `keys.card`.
 */
export type Prediction<Id, Feature extends string, Keys> = {
  readonly id: Id;
  readonly eventTime: number;
  readonly knownAt: number;
  readonly probability: number;
  readonly fallback: boolean;
  readonly fallbackReason: string | null;
  readonly model: string;
  readonly version: string | null;
  readonly incomplete: boolean;
} & Told & { readonly [F in `features.${Feature}`]: number | null } & Keys;

/** What predictions and outcomes say of steps with rules, with ranges, and of routed ones. */
export interface Told {
  readonly score: number;
  readonly rule: string | null;
  readonly decision: boolean | null;
  readonly decidedBy: string | null;
  readonly flags: string | null;
  readonly role: string;
  readonly assigned: string | null;
  readonly rerouted: string | null;
  readonly bucket: number;
  readonly segment: string | null;
  readonly shadowVersion: string | null;
  readonly shadowScore: number | null;
}

/** Names of the feature vector of predictions. */
export type FeatureOf<P> = P extends { readonly __features?: infer Feature extends string }
  ? Feature
  : never;

export function scoreBy<T, Id, Feature extends string, Keys>(
  enriched: EnrichedDefinition,
): ScoreBy<T, Id, Feature, Keys> {
  return (modelName, { model, deadline, fallback, rules, ranges, routed, explain }) =>
    freezeDeeply({
      into: (topic, ...roles) =>
        predictions({
          ...enriched,
          modelName,
          model,
          deadline,
          fallback: chained(fallback),
          rules: rules?.map(({ rule }) => rule),
          ranges,
          routed,
          explain,
          topic: topic.name,
          roles,
        }),
    });
}

function chained(
  fallback: ScoringOptions<never, never>["fallback"],
): ScoringDefinition["fallback"] {
  return "kind" in fallback ? fallback : { ...fallback[1], previous: true };
}

function predictions<Id, Feature extends string, Keys>(
  definition: ScoringDefinition,
): Predictions<Id, Feature, Keys> {
  return freezeDeeply({
    kind: "scoring",
    definition,
    labelledBy: labelBy(definition),
    ...records<Prediction<Id, Feature, Keys>>(recordsOf(definition)),
  });
}

function recordsOf(definition: ScoringDefinition): StreamDefinition {
  const { source, topic } = definition;
  const features = [
    ...lookUpFeatures(definition),
    ...[...definition.derived, ...definition.request].map(([name]) => snakeCase(name)),
  ];
  const layout: RowLayout = {
    fields: [
      ...idOf(source),
      { name: "eventTime", type: "timestamp", nullable: false },
      { name: "knownAt", type: "timestamp", nullable: false },
      ...answerFields,
      { name: "fallbackReason", type: "text", nullable: true },
      { name: "incomplete", type: "boolean", nullable: false },
      ...toldIn(definition),
      ...keyPaths(keysOf(definition)),
      ...features.map((name): RowField => {
        return { name: `features.${name}`, type: "number", nullable: true };
      }),
    ],
  };
  const origin = { kind: "scoring", definition, name: "predictions", topic } as const;
  const { lateness } = source;
  return { topic, origin, lateness, yielded: layout, layout, through: [], idField: "id" };
}

function lookUpFeatures({ lookups }: ScoringDefinition): string[] {
  return Object.entries(lookups).flatMap(([slot, { view }]) =>
    columnsOf(view)
      .filter(({ output }) => output !== "text")
      .map(({ column }) => `${snakeCase(slot)}_${column}`),
  );
}
