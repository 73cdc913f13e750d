/** What a field holds; a list holds any number of one of the others. */
export type RowType = ScalarType | { readonly list: ScalarType };

/**
 * `number` is a double, `integer` a whole number of 64 bits, `timestamp` UTC ms; see
 * `schemas/row-codec.ts` for the bytes.
 */
export type ScalarType = "number" | "integer" | "boolean" | "text" | "timestamp";

export interface RowField {
  readonly name: string;
  readonly type: RowType;
  readonly nullable: boolean;
  /** A whole number without a sign, which may lie beyond 2^63 − 1. @default false */
  readonly unsigned?: true;
  /** What it means, for people. */
  readonly doc?: string;
}

/** Names and types of what flows between steps, and of what a topic or a table holds. */
export interface RowLayout {
  readonly fields: readonly RowField[];
}
