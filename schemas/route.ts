import type { Encoding } from "./encodings/encodings.ts";
import type { AggregateInput, ValueOutput } from "./feature-view.ts";
import type { RowLayout } from "./row-layout.ts";
import type { TransformSpec } from "./transforms/through.ts";

/** A field of what a route writes, in the order of the payload. */
export type RouteField =
  /** Text: the key that names the partition. */
  | { readonly from: "key" }
  /** Text of a field. */
  | { readonly from: "text"; readonly field: string }
  /** Number of a field, of the truth of a condition, or of the record itself; NaN for null. */
  | { readonly from: "number"; readonly input: AggregateInput }
  /** Value of a field as `row-codec.ts` writes one of its type that may be null. */
  | { readonly from: "value"; readonly input: AggregateInput; readonly type: ValueOutput }
  /** Number that a text is encoded as; NaN for null. */
  | { readonly from: "encoded"; readonly field: string; readonly encoding: Encoding }
  /** Number: event time, UTC ms. */
  | { readonly from: "time" }
  /** Number: offset of the record in its partition. */
  | { readonly from: "offset" }
  /** Number: source partition of the record. */
  | { readonly from: "partition" }
  /** The fields of a layout, as `row-codec.ts` writes them. */
  | { readonly from: "row"; readonly layout: RowLayout }
  /** A byte that is the same for every record. */
  | { readonly from: "byte"; readonly value: number };

/** What a task sends to others for each record that it yields. */
export interface RouteSpec {
  /** For people, e.g. `trigger of predictions`. */
  readonly what: string;
  /** What the record goes through first; the fields below are those of what comes out. */
  readonly through?: readonly TransformSpec[];
  /** Index of an inbox output. */
  readonly output: number;
  /** Fields whose values make the key; its murmur2 names the partition. */
  readonly key: readonly string[];
  /** Whether its key is a long: a record whose field is beyond it is refused. @default false */
  readonly signedKey?: true;
  /** Fields of the keys that those who get the record make of it later. @default none */
  readonly laterKeys?: readonly (readonly string[])[];
  readonly fields: readonly RouteField[];
  /** The step that answers for the record; null: it is counted elsewhere. */
  readonly counted: string | null;
}
