import type { AggregateDefinition } from "../../processors/aggregate/aggregate.ts";
import type { Duration } from "../../schemas/duration.ts";
import type { Aggregate } from "./aggregates.ts";
import type { StoreRole, StreamDefinition } from "./definitions.ts";
import type { RecordWith, SnakeCase } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";
import type { Lookup } from "./lookup.ts";
import type { Offline, Online } from "./roles.ts";

export interface ViewDefinition {
  /** `name@version` as written. */
  readonly id: string;
  readonly source: StreamDefinition;
  readonly keyFields: readonly string[];
  readonly windows: readonly string[];
  readonly aggregates: Readonly<Record<string, AggregateDefinition>>;
  readonly ttl: string;
  readonly exactLimit: number | undefined;
  readonly roles: readonly StoreRole[];
}

/** Records grouped by an entity key with values of types `Key`. */
export interface Keyed<T, Key extends readonly unknown[]> {
  /**
   * Continuous windows: a window of length w at q covers `[q − w, q)` and slides for quiet keys
   * too. The text of a length becomes part of the column names.
   */
  over<const W extends readonly [Duration, ...Duration[]]>(
    ...windows: W
  ): Windowed<T, Key, W[number]>;
}

/** Windows over the records of each key. */
export interface Windowed<T, Key extends readonly unknown[], Window extends string> {
  /** Names the features; each is computed over each window. */
  compute<const A extends Readonly<Record<string, Aggregate<T>>>>(
    aggregates: A,
  ): Computed<
    Key,
    `${SnakeCase<Exclude<keyof A & string, TextsOf<T, A>>>}_${Window}`,
    `${SnakeCase<TextsOf<T, A>>}_${Window}`
  >;
}

/** Names of aggregates that give texts: the values of a field that is one. */
type TextsOf<T, A> = {
  [K in keyof A & string]: A[K] extends Aggregate<never, infer Field>
    ? [Field] extends [never]
      ? never
      : [T[Field & keyof T]] extends [string | null]
        ? K
        : never
    : never;
}[keyof A & string];

export interface ViewOptions {
  /** Event time after which a row is no longer served; at least the longest window. */
  readonly ttl: Duration;
  /**
   * Raw events kept a key; above it windows are served from tiles, exact to 1 % of their length.
   * @default 4096
   */
  readonly exactLimit?: number;
}

/** Features without a name: `Column` of numbers, booleans and instants, `Text` of texts. */
export interface Computed<
  Key extends readonly unknown[],
  Column extends string,
  Text extends string,
> {
  /** Gives the features their identity: `name@version`, unique in the topology. */
  asFeatureView(id: `${string}@${bigint}`, options: ViewOptions): UnstoredView<Key, Column, Text>;
}

/** A feature view that does not say yet where its rows are kept. */
export interface UnstoredView<
  Key extends readonly unknown[],
  Column extends string,
  Text extends string,
> {
  into(
    ...stores: readonly [Online | Offline, ...(Online | Offline)[]]
  ): FeatureView<Key, Column, Text>;
}

/** A feature view: written once, read by streams, stores and training sets alike. */
export interface FeatureView<
  Key extends readonly unknown[],
  Column extends string,
  Text extends string = never,
> {
  readonly kind: "view";
  readonly definition: ViewDefinition;
  /** Only a type: the columns that its rows have. */
  readonly __columns?: Column | Text;
  /**
   * A look-up of this view under fields of the triggering record, in the order of the view's key.
   * The fields may have other names than the view's.
   */
  at<const F extends { readonly [I in keyof Key]: string }>(
    ...fields: F
  ): Lookup<RecordWith<F, Key>, Column, Text>;
}

/** First verb family of a stream: features of its own records. */
export function keyed<T, Key extends readonly unknown[]>(
  source: StreamDefinition,
  keyFields: readonly string[],
): Keyed<T, Key> {
  return freezeDeeply({
    over: (...windows) =>
      freezeDeeply({
        compute: (aggregates) => {
          const named = Object.fromEntries(
            Object.entries(aggregates).map(([name, { definition }]) => [name, definition]),
          );
          return freezeDeeply({
            asFeatureView: (id, { ttl, exactLimit }) =>
              freezeDeeply({
                into: (...roles) =>
                  featureView({
                    id,
                    source,
                    keyFields,
                    windows,
                    aggregates: named,
                    ttl,
                    exactLimit,
                    roles,
                  }),
              }),
          });
        },
      }),
  });
}

function featureView<Key extends readonly unknown[], Column extends string, Text extends string>(
  definition: ViewDefinition,
): FeatureView<Key, Column, Text> {
  return freezeDeeply({
    kind: "view",
    definition,
    at: (...fields) => freezeDeeply({ definition: { view: definition, fields: [...fields] } }),
  });
}
