/** A record within a record: no list, no bytes; never for what is neither. */
type Nested<V> =
  NonNullable<V> extends infer O
    ? O extends readonly unknown[] | Uint8Array
      ? never
      : O extends object
        ? O
        : never
    : never;

/** Levels of records within records that have paths here. */
type Levels = readonly [0, 0, 0, 0, 0, 0, 0, 0];

/** Fields by their paths; `Null` where a record around them may be null. */
type Paths<T, Prefix extends string, Null, Left extends readonly unknown[]> = {
  [K in keyof T & string]: [Nested<T[K]>] extends [never]
    ? { readonly [P in `${Prefix}${K}`]: T[K] | Null }
    : Left extends readonly [unknown, ...infer Rest]
      ? Paths<Nested<T[K]>, `${Prefix}${K}.`, Null | Extract<T[K], null>, Rest>
      : unknown;
}[keyof T & string];

/**
 * A record as the verbs see it: fields of records within it by their paths,
 * `customer.address.country`.
 */
export type Flat<T> = [Nested<T[keyof T]>] extends [never]
  ? T
  : Simple<Intersection<Paths<T, "", never, Levels>>>;

type Simple<T> = { readonly [K in keyof T]: T[K] };

/**
 * A whole number is the same id or key whether its type admits that it comes as a bigint, beyond
 * ±(2^53 − 1), or not.
 */
export type Whole<V> = V extends number | bigint ? number | bigint : V;

/** Names of the fields of `T` whose values are all of type `V`. */
export type FieldOf<T, V> = {
  [K in keyof T & string]: [T[K]] extends [V] ? K : never;
}[keyof T & string];

/** Fields that can be a feature as they are; null counts as missing. */
export type VectorField<T> = FieldOf<T, number | bigint | null> | FieldOf<T, boolean | null>;

/** Fields that can stand in a key: never null. */
export type KeyField<T> = FieldOf<T, string | number | bigint | boolean>;

/** Fields that can name the partition of a source: text or a whole number, never null. */
export type PartitionField<T> = FieldOf<T, string | number | bigint>;

/** Fields that can hold the event time, UTC ms. */
export type TimeField<T> = FieldOf<T, number | bigint>;

type Digit = "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9";

type IsUpper<C extends string> = C extends Lowercase<C> ? false : true;

type IsLowerOrDigit<C extends string> = C extends Digit
  ? true
  : C extends Uppercase<C>
    ? false
    : true;

type Separator<Before extends string, C extends string> = Before extends ""
  ? ""
  : [IsLowerOrDigit<Before>, IsUpper<C>] extends [true, true]
    ? "_"
    : "";

/** `delayMean` → `delay_mean`: the type of what `snakeCase` of `feature-view.ts` returns. */
export type SnakeCase<
  S extends string,
  Before extends string = "",
  Done extends string = "",
> = S extends `${infer C}${infer Rest}`
  ? SnakeCase<Rest, C, `${Done}${Separator<Before, C>}${Lowercase<C>}`>
  : Done;

/** Types of the values of `fields` of a record, in order. */
export type ValuesOf<T, Fields extends readonly string[]> = {
  readonly [I in keyof Fields]: Fields[I] extends keyof T ? T[Fields[I]] : never;
};

/** A record that has `fields` in order with the given types of value. */
export type RecordWith<Fields, Values> = Fields extends readonly [
  infer Field extends string,
  ...infer Others,
]
  ? Values extends readonly [infer Value, ...infer OtherValues]
    ? { readonly [K in Field]: Whole<Value> } & RecordWith<Others, OtherValues>
    : unknown
  : unknown;

/** `A | B` → `A & B`. */
export type Intersection<U> = (U extends unknown ? (each: U) => void : never) extends (
  all: infer A,
) => void
  ? A
  : never;
