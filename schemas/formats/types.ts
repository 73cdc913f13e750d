import type { RowField, RowLayout, ScalarType } from "../row-layout.ts";
import type { ValueShape } from "./format.ts";

/** In what a timestamp is written: a number since 1970, or text by ISO 8601 with its offset. */
export type TimestampUnit = "s" | "ms" | "us" | "ns" | "iso";

/** The type of a field, as data; a record within the record has fields of its own. */
export type TypeSpec = { readonly nullable?: true } & (
  | { readonly type: "text" | "integer" | "number" | "decimal" | "boolean" }
  | { readonly type: "enumeration"; readonly symbols: readonly string[] }
  | { readonly type: "timestamp"; readonly unit: TimestampUnit }
  | { readonly type: "list"; readonly of: TypeSpec }
  | { readonly type: "record"; readonly fields: FieldSpecs }
);

export type FieldSpecs = Readonly<Record<string, TypeSpec>>;

/** A type with that of its values, for the compiler alone. */
export type FieldType<T> = TypeSpec & { readonly __value?: T };

/** Fields by name. */
export type Fields = Readonly<Record<string, FieldType<unknown>>>;

type ValueOf<F> = F extends { readonly __value?: infer T } ? Exclude<T, undefined> : never;

/** The record that fields make. */
export type RecordOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/**
 * Types of fields, for formats whose values do not say them. A field is there and not null unless
 * it is `nullable`; what is not declared is passed over.
 */
export const types = Object.freeze({
  text: (): FieldType<string> => ({ type: "text" }),
  /**
   * A whole number of 64 bits, exact: a number, or beyond ±(2^53 − 1) a bigint. Compare it with
   * either; `Number(…)` makes it one to count with.
   */
  integer: (): FieldType<number | bigint> => ({ type: "integer" }),
  /** A double. */
  number: (): FieldType<number> => ({ type: "number" }),
  /** A decimal, as a number or in quotes: the double that is nearest. */
  decimal: (): FieldType<number> => ({ type: "decimal" }),
  boolean: (): FieldType<boolean> => ({ type: "boolean" }),
  /** One of some texts; a record with another one is refused. */
  enumeration: <const S extends readonly [string, ...string[]]>(
    ...symbols: S
  ): FieldType<S[number]> => ({ type: "enumeration", symbols }),
  /** An instant, kept in ms and rounded towards the past; as text `2026-01-01T00:00:00.5+01:00`. */
  timestamp: (unit: TimestampUnit): FieldType<number> => ({ type: "timestamp", unit }),
  list: <T extends string | number | boolean>(of: FieldType<T>): FieldType<readonly T[]> => ({
    type: "list",
    of,
  }),
  /** A record within the record; its fields go by their paths, `customer.country`. */
  record: <F extends Fields>(fields: F): FieldType<RecordOf<F>> => ({ type: "record", fields }),
  /** May be null, or missing, which is the same. */
  nullable: <T>(type: FieldType<T>): FieldType<T | null> => ({ ...type, nullable: true }),
});

/** Levels of records within records. */
const maxLevels = 8;
/** Fields of a record, all levels together. */
const maxFields = 2_000;

/**
 * Fields by their paths.
 *
 * @throws {Error} for a name that is empty or has a dot in it, an enumeration without symbols, a
 * list of what is no scalar, more than 8 levels or 2,000 fields.
 */
export function layoutOfTypes(specs: FieldSpecs): RowLayout {
  const fields: RowField[] = [];
  collect(specs, "", false, 1, fields);
  if (fields.length === 0) throw new Error("a format without fields reads nothing");
  if (fields.length > maxFields) throw new Error(`a format has ${maxFields} fields at most`);
  return { fields };
}

/** By their paths the units of timestamps that are not in ms. */
export function unitsOfTypes(specs: FieldSpecs, prefix = ""): Map<string, string> {
  const units = new Map<string, string>();
  for (const [name, spec] of Object.entries(specs)) {
    const path = `${prefix}${name}`;
    const scalar = spec.type === "list" ? spec.of : spec;
    if (scalar.type === "timestamp" && scalar.unit !== "ms") units.set(path, scalar.unit);
    if (spec.type !== "record") continue;
    for (const [inner, unit] of unitsOfTypes(spec.fields, `${path}.`)) units.set(inner, unit);
  }
  return units;
}

/** By their paths decimals and enumerations. */
export function shapesOfTypes(specs: FieldSpecs, prefix = ""): Map<string, ValueShape> {
  const shapes = new Map<string, ValueShape>();
  for (const [name, spec] of Object.entries(specs)) {
    const path = `${prefix}${name}`;
    const scalar = spec.type === "list" ? spec.of : spec;
    if (scalar.type === "decimal") shapes.set(path, "decimal");
    if (scalar.type === "enumeration") shapes.set(path, { symbols: scalar.symbols });
    if (spec.type !== "record") continue;
    for (const [inner, shape] of shapesOfTypes(spec.fields, `${path}.`)) shapes.set(inner, shape);
  }
  return shapes;
}

/** Paths of what is not `nullable`, which may stand in a record that is. */
export function presentInTypes(specs: FieldSpecs, prefix = ""): Set<string> {
  const paths = new Set<string>();
  for (const [name, spec] of Object.entries(specs)) {
    const path = `${prefix}${name}`;
    if (spec.nullable !== true) paths.add(path);
    if (spec.type !== "record") continue;
    for (const inner of presentInTypes(spec.fields, `${path}.`)) paths.add(inner);
  }
  return paths;
}

function collect(
  specs: FieldSpecs,
  prefix: string,
  isNullable: boolean,
  level: number,
  into: RowField[],
): void {
  if (level > maxLevels) throw new Error(`"${prefix}" nests deeper than ${maxLevels} records`);
  for (const [name, spec] of Object.entries(specs)) {
    if (name === "" || name === "__proto__" || name.includes(".")) {
      throw new Error(`"${prefix}${name}" is no name of a field: it is empty or has a dot in it`);
    }
    const path = `${prefix}${name}`;
    const nullable = isNullable || spec.nullable === true;
    if (spec.type === "record") collect(spec.fields, `${path}.`, nullable, level + 1, into);
    else if (spec.type === "list") {
      if (spec.of.nullable) throw new Error(`"${path}": items of a list are never null`);
      into.push({ name: path, type: { list: scalarOf(path, spec.of) }, nullable });
    } else into.push({ name: path, type: scalarOf(path, spec), nullable });
  }
}

function scalarOf(path: string, spec: TypeSpec): ScalarType {
  switch (spec.type) {
    case "enumeration":
      if (spec.symbols.length === 0) throw new Error(`"${path}": an enumeration has symbols`);
      return "text";
    case "decimal":
      return "number";
    case "list":
    case "record":
      throw new Error(`"${path}": a list holds texts, numbers, booleans or timestamps`);
    default:
      return spec.type;
  }
}

/** Fields in lines, for `describe`. */
export function textOfTypes(specs: FieldSpecs): readonly string[] {
  return Object.entries(specs).map(([name, spec]) => `${name}: ${typeText(spec)}`);
}

function typeText(spec: TypeSpec): string {
  const suffix = spec.nullable === true ? " or null" : "";
  switch (spec.type) {
    case "enumeration":
      return `one of ${spec.symbols.map((each) => JSON.stringify(each)).join(" | ")}${suffix}`;
    case "timestamp":
      return `timestamp in ${spec.unit}${suffix}`;
    case "list":
      return `list of ${typeText(spec.of)}${suffix}`;
    case "record":
      return `{ ${textOfTypes(spec.fields).join(", ")} }${suffix}`;
    default:
      return `${spec.type}${suffix}`;
  }
}
