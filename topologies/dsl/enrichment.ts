import type { StreamDefinition } from "./definitions.ts";
import type { NumericField, SnakeCase } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import type { Lookup } from "./lookup.ts";
import { type ScoreBy, scoreBy } from "./scoring.ts";

export interface RequestDefinition {
  readonly field: string;
  readonly calendar: boolean;
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
   * Features that the record brings itself, by name: a numeric field, or `calendar(field)`.
   * @default {} none
   */
  readonly request?: Q;
}

/** Slots of look-ups by name: the name is the prefix of the feature names. */
type Lookups<T> = Readonly<Record<string, Lookup<T, string>>>;
type Requests<T> = Readonly<Record<string, NumericField<T> | Calendar<T>>>;
type NoRequests = Readonly<Record<never, never>>;

type LookupFeatures<L> = {
  [Slot in keyof L & string]: L[Slot] extends Lookup<never, infer Column>
    ? `${SnakeCase<Slot>}_${Column}`
    : never;
}[keyof L & string];

/** Joins each record of a stream with features of views, as of the moment at which it is known. */
export type Enrich<T, Id> = <const L extends Lookups<T>, const Q extends Requests<T> = NoRequests>(
  lookups: L,
  options: EnrichmentOptions<Q>,
) => Enriched<Id, LookupFeatures<L> | SnakeCase<keyof Q & string>>;

/** Records with a feature vector. */
export interface Enriched<Id, Feature extends string> {
  /** Scores each record with the model in force. */
  readonly scoredBy: ScoreBy<Id, Feature>;
}

/** Second verb family of a stream: features from views. */
export function enrich<T, Id>(source: StreamDefinition): Enrich<T, Id> {
  return (lookups, { missing, request }) => {
    const slots = Object.entries(lookups).map(([slot, { definition }]) => [slot, definition]);
    const requests = Object.entries<string | Calendar<never>>(request ?? {}).map(
      ([name, feature]) => [
        name,
        typeof feature === "string" ? { field: feature, calendar: false } : feature.calendar,
      ],
    );
    return freezeDeeply({
      scoredBy: scoreBy({
        source,
        lookups: Object.fromEntries(slots),
        request: Object.fromEntries(requests),
        missing,
      }),
    });
  };
}
