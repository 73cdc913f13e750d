import type { Encoded } from "../../schemas/encodings/encoding.ts";
import type { Encoding } from "../../schemas/encodings/encodings.ts";
import { snakeCase } from "../../schemas/feature-view.ts";
import type { StreamDefinition } from "./definitions.ts";
import type { SnakeCase, VectorField } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import type { Lookup } from "./lookup.ts";
import { type EnrichedDefinition, type ScoreBy, scoreBy } from "./scoring.ts";

/** A feature by its name; of one name there may be two, which is a problem of the topology. */
export type NamedRequest = readonly [name: string, RequestDefinition];

export interface RequestDefinition {
  readonly field: string;
  readonly calendar: boolean;
  /** How a text becomes this number. @default it is a number */
  readonly encoding?: Encoding;
  /** What is wrong with how it was written. */
  readonly problem?: string;
}

/** A field that follows the clock or the calendar. */
export interface Calendar<in R> {
  readonly calendar: RequestDefinition;
  /** Only a type: what it reads. */
  readonly __reads?: (record: R) => void;
}

/**
 * A request feature that follows the clock or the calendar: the number that stands in the field, as
 * it is, e.g. an hour or a weekday that the producer has computed. It computes nothing of a time: a
 * field that is a timestamp is refused when the topology is built. Training takes its values as
 * categories, drift detection leaves it out.
 */
export function calendar<F extends string>(
  field: F,
): Calendar<{ readonly [K in F]: number | bigint | null }> {
  return freezeDeeply({ calendar: { field, calendar: true } });
}

export interface EnrichmentOptions<Q> {
  /** What stands for a feature that no row answers: null, which the model has to understand. */
  readonly missing: "null";
  /**
   * Features that the record brings itself, by name: a numeric field, a boolean (1 or 0),
   * `calendar(field)`, `oneHot(field, texts)` or `hashed(field, buckets)`.
   * @default {} none
   */
  readonly request?: Q;
}

/** Slots of look-ups by name: the name is the prefix of the feature names. */
type Lookups<T> = Readonly<Record<string, Lookup<T, string>>>;
type Requests<T> = Readonly<Record<string, VectorField<T> | Calendar<T> | Encoded<T, string>>>;
type NoRequests = Readonly<Record<never, never>>;

type RequestFeatures<Q> = {
  [Name in keyof Q & string]: Q[Name] extends Encoded<never, infer Suffix>
    ? `${SnakeCase<Name>}_${Suffix}`
    : SnakeCase<Name>;
}[keyof Q & string];

type LookupFeatures<L> = {
  [Slot in keyof L & string]: L[Slot] extends Lookup<never, infer Column>
    ? `${SnakeCase<Slot>}_${Column}`
    : never;
}[keyof L & string];

type LookupTexts<L> = {
  [Slot in keyof L & string]: L[Slot] extends Lookup<never, string, infer Text>
    ? `${SnakeCase<Slot>}_${Text}`
    : never;
}[keyof L & string];

/** Joins each record of a stream with features of views, as of the moment at which it is known. */
export type Enrich<T, Id> = <const L extends Lookups<T>, const Q extends Requests<T> = NoRequests>(
  lookups: L,
  options: EnrichmentOptions<Q>,
) => Enriched<T, Id, LookupFeatures<L> | RequestFeatures<Q>, LookupTexts<L>, LookupKeys<T, L>>;

/** Fields that look-ups read of a record, as its prediction tells of them. */
type LookupKeys<T, L> = {
  readonly [F in FieldsRead<L[keyof L]> & keyof T & string as `keys.${F}`]: T[F];
};

type FieldsRead<L> = L extends Lookup<infer R, string> ? keyof R : never;

/**
 * Records with a feature vector; `Text` are the texts that look-ups answer with, `Keys` the fields
 * that they read.
 */
export interface Enriched<
  T,
  Id,
  Feature extends string,
  Text extends string = never,
  Keys = unknown,
> {
  /**
   * Features made of texts of views, by name: `oneHot("slot_column", texts)` or
   * `hashed("slot_column", buckets)`. A text that nothing is made of is no feature.
   */
  derived<const D extends Derived<Text>>(
    features: D,
  ): Enriched<T, Id, Feature | RequestFeatures<D>, Text, Keys>;
  /** Scores each record with the model in force. */
  readonly scoredBy: ScoreBy<T, Id, Feature, Keys>;
}

type Derived<Text extends string> = Readonly<
  Record<string, Encoded<{ readonly [K in Text]: string | null }, string>>
>;

/** Second verb family of a stream: features from views. */
export function enrich<T, Id>(source: StreamDefinition): Enrich<T, Id> {
  return (lookups, { missing, request }) => {
    const slots = Object.entries(lookups).map(([slot, { definition }]) => [slot, definition]);
    const requests = Object.entries<Request>(request ?? {}).flatMap(([name, feature]) =>
      requestsOf(name, feature),
    );
    return enriched({
      source,
      lookups: Object.fromEntries(slots),
      request: requests,
      derived: [],
      missing,
    });
  };
}

function enriched<T, Id, Feature extends string, Text extends string, Keys>(
  definition: EnrichedDefinition,
): Enriched<T, Id, Feature, Text, Keys> {
  return freezeDeeply({
    derived: (features) => {
      const named = Object.entries(features).flatMap(([name, feature]) =>
        requestsOf(name, feature),
      );
      return enriched({ ...definition, derived: [...definition.derived, ...named] });
    },
    scoredBy: scoreBy(definition),
  });
}

type Request = string | Calendar<never> | Encoded<never, string>;

/** The features that are written under a name: one, or one for each number of an encoding. */
function requestsOf(name: string, feature: Request): NamedRequest[] {
  if (typeof feature === "string") return [[name, { field: feature, calendar: false }]];
  if ("calendar" in feature) return [[name, feature.calendar]];
  const { field, encodings, problem } = feature;
  if (problem !== null) return [[name, { field, calendar: false, problem }]];
  return encodings.map(({ suffix, encoding }) => [
    `${snakeCase(name)}_${suffix}`,
    // Only verbs of `kinds.ts` give any.
    { field, calendar: false, encoding: encoding as Encoding },
  ]);
}
