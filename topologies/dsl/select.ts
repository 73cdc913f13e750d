import type { RowField } from "../../schemas/row-layout.ts";
import type { Expression, SelectSpec } from "../../schemas/transforms/select.ts";
import type { TransformSpec } from "../../schemas/transforms/through.ts";
import { copiedThrough, layoutThrough } from "../../schemas/transforms/through.ts";
import type { Test } from "./conditions.ts";
import type { StreamDefinition } from "./definitions.ts";
import type { FieldOf } from "./field-types.ts";
import { freezeDeeply } from "./freeze.ts";

/** Text of a field in one case. */
export interface Cased<F extends string> {
  readonly op: "upper" | "lower";
  readonly field: F;
}

/** Text of a field in upper case, by Unicode's mapping that depends on no language. */
export function upper<F extends string>(field: F): Cased<F> {
  return freezeDeeply({ op: "upper", field });
}

/** Text of a field in lower case, by Unicode's mapping that depends on no language. */
export function lower<F extends string>(field: F): Cased<F> {
  return freezeDeeply({ op: "lower", field });
}

/** By name what the records of `T` are asked for. */
export type Selection<T> = Readonly<
  Record<string, (keyof T & string) | Cased<FieldOf<T, string | null>> | Test<T>>
>;

/** Records with what was asked for; a truth may be unknown. */
export type Selected<T, S> = {
  readonly [K in keyof S]: S[K] extends keyof T
    ? T[S[K]]
    : S[K] extends Cased<infer F>
      ? string | Extract<T[F & keyof T], null>
      : boolean | null;
};

/** What `select` was told, as a spec. */
export function selection(fields: Readonly<Record<string, unknown>>): SelectSpec {
  return {
    kind: "select",
    fields: Object.entries(fields).map(([name, value]) => ({ name, value: expression(value) })),
  };
}

function expression(value: unknown): Expression {
  if (typeof value === "string") return { op: "field", field: value };
  const { op, field, condition } = value as Partial<Cased<string> & Test<never>>;
  if (condition !== undefined) return { op: "truth", condition };
  return { op: op ?? "upper", field: field ?? "" };
}

/** A stream whose records go through one more step; a copy of the id goes on telling them apart. */
export function transformed(source: StreamDefinition, spec: TransformSpec): StreamDefinition {
  const layout = layoutThrough([spec], source.layout);
  const { idField } = source;
  const isCopy = ({ name }: RowField) => copiedThrough([spec], name) === idField;
  const copy = idField === null ? undefined : layout.fields.find(isCopy);
  return {
    ...source,
    layout,
    through: [...source.through, spec],
    idField: copy?.name ?? null,
  };
}
