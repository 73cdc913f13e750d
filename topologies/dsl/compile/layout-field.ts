import type { RowField, RowLayout } from "../../../schemas/row-layout.ts";

/** A field of a layout by its path; null where there is no such field. */
export function layoutField(layout: RowLayout, name: string): RowField | null {
  return layout.fields.find((each) => each.name === name) ?? null;
}

export function isWhole({ type }: RowField): boolean {
  return type === "integer" || type === "timestamp";
}

export function isNumeric(field: RowField): boolean {
  return field.type === "number" || isWhole(field);
}

/** Whether a field can tell records apart: text or a whole number, never null. */
export function isId(field: RowField | null): field is RowField {
  return field !== null && !field.nullable && (isWhole(field) || field.type === "text");
}

/** Kind of a field as an operand or a key: null where it is neither. */
export function scalarKind(field: RowField): "number" | "string" | "boolean" | null {
  if (isNumeric(field)) return "number";
  if (field.type === "text") return "string";
  return field.type === "boolean" ? "boolean" : null;
}

export function typeText({ type }: RowField): string {
  return typeof type === "string" ? type : `list of ${type.list}`;
}
