import type { Scalar, Test } from "../../schemas/expression.ts";
import type { Intersection } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";

export type { Test };

/** What a test reads. */
type Reads<C> = C extends Test<infer R> ? R : never;

type Value = Exclude<Scalar, null>;
type Wide<V extends Value> = V extends string
  ? string
  : V extends number | bigint
    ? number | bigint
    : boolean;
type Has<F extends string, V extends Value> = { readonly [K in F]: Wide<V> | null };

/** A field as a side of a comparison. */
export interface FieldRef<F extends string> {
  readonly field: F;
}

/**
 * A field of the record, to compare with another: a bare text on the right is that text.
 *
 * @example neq(field("country"), field("homeCountry"))
 */
export function field<F extends string>(name: F): FieldRef<F> {
  return freezeDeeply({ field: name });
}

/** What a comparison reads: of two fields of a record, both of one type. */
type Compares<F extends string, V> =
  V extends FieldRef<infer G>
    ? { readonly [K in F | G]: Scalar }
    : V extends Value
      ? Has<F, V>
      : never;

function compare<F extends string, V extends Value | FieldRef<string>>(
  op: "gt" | "gte" | "lt" | "lte" | "eq" | "neq",
  left: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  const field = typeof left === "string" ? left : left.field;
  const right: Value | FieldRef<string> = value;
  return typeof right === "object"
    ? freezeDeeply({ condition: { op, field, other: right.field } })
    : freezeDeeply({ condition: { op, field, value: right } });
}

/** `field > value`; unknown where the field is null, as in SQL. Text compares by UTF-16 units. */
export function gt<F extends string, V extends number | bigint | string | FieldRef<string>>(
  field: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  return compare("gt", field, value);
}

/** `field ≥ value`; unknown where the field is null. */
export function gte<F extends string, V extends number | bigint | string | FieldRef<string>>(
  field: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  return compare("gte", field, value);
}

/** `field < value`; unknown where the field is null. */
export function lt<F extends string, V extends number | bigint | string | FieldRef<string>>(
  field: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  return compare("lt", field, value);
}

/** `field ≤ value`; unknown where the field is null. */
export function lte<F extends string, V extends number | bigint | string | FieldRef<string>>(
  field: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  return compare("lte", field, value);
}

/** `field = value`; unknown where the field is null. */
export function eq<F extends string, V extends Value | FieldRef<string>>(
  field: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  return compare("eq", field, value);
}

/** `field ≠ value`; unknown where the field is null. */
export function neq<F extends string, V extends Value | FieldRef<string>>(
  field: F | FieldRef<F>,
  value: V,
): Test<Compares<F, V>> {
  return compare("neq", field, value);
}

/** True where all hold, false where one fails, else unknown. */
export function and<const A extends readonly [Test<never>, ...Test<never>[]]>(
  ...tests: A
): Test<Intersection<Reads<A[number]>>> {
  return freezeDeeply({ condition: { op: "and", all: tests.map((test) => test.condition) } });
}

/** True where one holds, false where all fail, else unknown. */
export function or<const A extends readonly [Test<never>, ...Test<never>[]]>(
  ...tests: A
): Test<Intersection<Reads<A[number]>>> {
  return freezeDeeply({ condition: { op: "or", all: tests.map((test) => test.condition) } });
}

/** True where the test fails; unknown stays unknown. */
export function not<R>(test: Test<R>): Test<R> {
  return freezeDeeply({ condition: { op: "not", condition: test.condition } });
}

/** A closure as a condition. Plans compare its name and version: change one with the code. */
export interface CustomTest<R> {
  readonly name: string;
  /** A whole number from 1. */
  readonly version: number;
  /**
   * Pure: the same record always gives the same answer. A whole number of 64 bits beyond
   * ±(2^53 − 1) comes as a bigint. A record on which it throws, or gives neither true nor false, is
   * a dead letter (CLOSURE_FAILED).
   */
  readonly test: (record: R) => boolean;
}

/**
 * A condition that no expression says.
 *
 * @example custom({ name: "longHaul", version: 1, test: (d: Departure) => d.distanceMiles > 2000 })
 */
export function custom<R>({ name, version, test }: CustomTest<R>): Test<R> {
  // The record type is checked where the condition meets a stream.
  const untyped = test as (record: never) => boolean as (
    record: Readonly<Record<string, unknown>>,
  ) => boolean;
  return freezeDeeply({ condition: { op: "custom", name, version, test: untyped } });
}
