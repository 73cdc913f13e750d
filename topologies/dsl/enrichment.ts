import type { Encoding } from "../../schemas/encoding.ts";
import { snakeCase } from "../../schemas/feature-view.ts";
import type { StreamDefinition } from "./definitions.ts";
import { type Encoded, encodedProblem } from "./encodings.ts";
import type { NumericField, SnakeCase } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import type { Lookup } from "./lookup.ts";
import { type ScoreBy, scoreBy } from "./scoring.ts";

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
 * A request feature that follows the clock or the calendar: training takes its values as
 * categories, drift detection leaves it out.
 */
export function calendar<F extends string>(
  field: F,
): Calendar<{ readonly [K in F]: number | null }> {
  return freezeDeeply({ calendar: { field, calendar: true } });
}

export interface EnrichmentOptions<Q> {
  /** What stands for a feature that no row answers: null, which the model has to understand. */
  readonly missing: "null";
  /**
   * Features that the record brings itself, by name: a numeric field, `calendar(field)`,
   * `oneHot(field, texts)` or `hashed(field, buckets)`.
   * @default {} none
   */
  readonly request?: Q;
}

/** Slots of look-ups by name: the name is the prefix of the feature names. */
type Lookups<T> = Readonly<Record<string, Lookup<T, string>>>;
type Requests<T> = Readonly<Record<string, NumericField<T> | Calendar<T> | Encoded<T, string>>>;
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

/** Joins each record of a stream with features of views, as of the moment at which it is known. */
export type Enrich<T, Id> = <const L extends Lookups<T>, const Q extends Requests<T> = NoRequests>(
  lookups: L,
  options: EnrichmentOptions<Q>,
) => Enriched<Id, LookupFeatures<L> | RequestFeatures<Q>>;

/** Records with a feature vector. */
export interface Enriched<Id, Feature extends string> {
  /** Scores each record with the model in force. */
  readonly scoredBy: ScoreBy<Id, Feature>;
}

/** Second verb family of a stream: features from views. */
export function enrich<T, Id>(source: StreamDefinition): Enrich<T, Id> {
  return (lookups, { missing, request }) => {
    const slots = Object.entries(lookups).map(([slot, { definition }]) => [slot, definition]);
    const requests = Object.entries<Request>(request ?? {}).flatMap(([name, feature]) =>
      requestsOf(name, feature),
    );
    return freezeDeeply({
      scoredBy: scoreBy({
        source,
        lookups: Object.fromEntries(slots),
        request: requests,
        missing,
      }),
    });
  };
}

type Request = string | Calendar<never> | Encoded<never, string>;

/** The features that are written under a name: one, or one for each number of an encoding. */
function requestsOf(name: string, feature: Request): NamedRequest[] {
  if (typeof feature === "string") return [[name, { field: feature, calendar: false }]];
  if ("calendar" in feature) return [[name, feature.calendar]];
  const { field, encodings } = feature;
  const problem = encodedProblem(feature);
  if (problem !== null) return [[name, { field, calendar: false, problem }]];
  return encodings.map(({ suffix, encoding }) => [
    `${snakeCase(name)}_${suffix}`,
    { field, calendar: false, encoding },
  ]);
}
