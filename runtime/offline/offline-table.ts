import type { ColumnSpec, TableSpec } from "../../schemas/plan.ts";
import { quoteName } from "../../schemas/sql-text.ts";
import type { OfflineColumn, OfflineTable, OfflineView } from "../../sinks/store.ts";
import { plumbingColumns, utc } from "./plumbing.ts";

/** The table of a layout; the last columns say where a row came from. */
export function offlineTable({ name, columns, orderBy }: TableSpec): OfflineTable {
  return {
    name: `raw_${name}`,
    columns: [
      ...columns.map(
        (column): OfflineColumn => ({
          name: column.name,
          type: columnType(column),
          ...(column.ascending === true && { codec: "Delta, LZ4" }),
        }),
      ),
      ...plumbingColumns,
    ],
    orderBy,
  };
}

/** What analysts see of a table. */
export function offlineView({ name, view, shown, lastBy }: TableSpec): OfflineView {
  const from = quoteName(`raw_${name}`);
  const select = `SELECT ${names(shown)} FROM ${from}`;
  if (lastBy === null) return { name: view, select };
  const instant = names(lastBy);
  return { name: view, select: `${select} ORDER BY ${instant}, seq DESC LIMIT 1 BY ${instant}` };
}

function names(columns: readonly string[]): string {
  return columns.map(quoteName).join(", ");
}

/** ClickHouse's type of a column. Lists stand as JSON text. */
export function columnType(column: ColumnSpec): OfflineColumn["type"] {
  const { nullable } = column;
  switch (column.type) {
    case "number":
      return nullable ? "Nullable(Float64)" : "Float64";
    case "boolean":
      return nullable ? "Nullable(UInt8)" : "UInt8";
    case "timestamp":
      return nullable ? `Nullable(${utc})` : utc;
    case "integer":
      return nullable ? "Nullable(Int64)" : wholeTypes[column.bits ?? 64];
    case "text":
      if (nullable) return "Nullable(String)";
      return column.few === true ? "LowCardinality(String)" : "String";
    default:
      return "String";
  }
}

const wholeTypes = { 8: "UInt8", 16: "UInt16", 32: "UInt32", 64: "Int64" } as const;
