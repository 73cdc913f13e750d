import type { ColumnSpec, TableSpec } from "../../../schemas/plan.ts";

/** A table whose view shows all of its rows. */
export function records(
  name: string,
  columns: readonly ColumnSpec[],
  orderBy: readonly string[],
): TableSpec {
  const shown = columns.map((column) => column.name);
  return { name, view: name, version: 1, columns, orderBy, shown, lastBy: null };
}

function column(name: string, type: ColumnSpec["type"], from: string): ColumnSpec {
  return { name, type, nullable: false, ...(from !== name && { from }) };
}

export function number(name: string, from = name): ColumnSpec {
  return column(name, "number", from);
}

export function integer(name: string, from = name): ColumnSpec {
  return column(name, "integer", from);
}

export function whole(name: string, bits: 8 | 16 | 32, from = name): ColumnSpec {
  return { ...column(name, "integer", from), bits };
}

export function truth(name: string, from = name): ColumnSpec {
  return column(name, "boolean", from);
}

export function text(name: string, from = name): ColumnSpec {
  return column(name, "text", from);
}

export function word(name: string, from = name): ColumnSpec {
  return { ...column(name, "text", from), few: true };
}

/** From a list of records of a text and a number each. */
export function numbersByText(name: string, from = name): ColumnSpec {
  return column(name, "numbersByText", from);
}

export function timestamp(name: string, from = name): ColumnSpec {
  return column(name, "timestamp", from);
}

export function orNull(column: ColumnSpec): ColumnSpec {
  return { ...column, nullable: true };
}
