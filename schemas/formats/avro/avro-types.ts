/** What a logical type makes of its base type; others than these are the base type itself. */
export type Logical =
  | { readonly kind: "timestamp"; readonly perMs: number }
  | { readonly kind: "date" }
  | { readonly kind: "decimal"; readonly scale: number }
  | { readonly kind: "uuid" };

export type Primitive =
  | "null"
  | "boolean"
  | "int"
  | "long"
  | "float"
  | "double"
  | "bytes"
  | "string";

type Scalar<Kind> = Kind extends unknown
  ? { readonly kind: Kind; readonly logical: Logical | null }
  : never;

interface Named {
  /** With its namespace. */
  readonly name: string;
  /** With their namespaces. */
  readonly aliases: readonly string[];
}

export interface AvroFixed extends Named {
  readonly kind: "fixed";
  readonly size: number;
  readonly logical: Logical | null;
}

export interface AvroEnum extends Named {
  readonly kind: "enum";
  readonly symbols: readonly string[];
  /** Stands for a symbol that a reader does not know. */
  readonly defaultSymbol: string | null;
}

export interface AvroField {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly type: AvroType;
  readonly doc: string;
  /** As JSON has it; undefined where there is none. */
  readonly defaultValue: unknown;
}

export interface AvroRecord extends Named {
  readonly kind: "record";
  readonly fields: readonly AvroField[];
}

export interface AvroUnion {
  readonly kind: "union";
  readonly branches: readonly AvroType[];
}

/** A parsed type. A named type is one value wherever it is named, so types may be cyclic. */
export type AvroType =
  | Scalar<Primitive>
  | AvroFixed
  | AvroEnum
  | AvroRecord
  | AvroUnion
  | { readonly kind: "array"; readonly items: AvroType }
  | { readonly kind: "map"; readonly values: AvroType };

/** How a type is called in messages: its name, or its kind. */
export function nameOf(type: AvroType): string {
  if ("name" in type) return type.name;
  return type.kind === "union" ? `a union of ${type.branches.length}` : type.kind;
}

/** A name without its namespace. */
export function shortName(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}
