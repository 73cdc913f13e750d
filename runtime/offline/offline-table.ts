import type { ColumnSpec, TableSpec } from "../../schemas/plan.ts";
import { quoteName, quoteText } from "../../schemas/sql-text.ts";
import { sqlTime } from "../../sinks/sql-time.ts";
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

/** What analysts see of a table, and of those that hold what came before it. */
export function offlineView(table: TableSpec): OfflineView {
  const { view: name, shown, columns, filling = [] } = table;
  const own = shown.map((each) => columns.find((column) => column.name === each) ?? null);
  const all = [...own.filter((column) => column !== null), ...filling];
  return { name, select: select(table, all, null) };
}

/**
 * @param columns - what is shown; null where the table does not have it.
 * @param before - event time, UTC ms, that the rows shown came before; null: all.
 */
function select(table: TableSpec, columns: readonly ColumnSpec[], before: number | null): string {
  const { name, shown, lastBy, earlier } = table;
  const list = columns.map((column) => {
    if (shown.includes(column.name)) return quoteName(column.name);
    const type = quoteText(columnType({ ...column, nullable: true }));
    return `CAST(NULL, ${type}) AS ${quoteName(column.name)}`;
  });
  const bounds = [
    ...(earlier === undefined ? [] : [`as_of >= ${sqlTime(earlier.than)}`]),
    ...(before === null ? [] : [`as_of < ${sqlTime(before)}`]),
  ];
  const where = bounds.length === 0 ? "" : ` WHERE ${bounds.join(" AND ")}`;
  const instant = names(lastBy ?? []);
  const last = lastBy === null ? "" : ` ORDER BY ${instant}, seq DESC LIMIT 1 BY ${instant}`;
  const own = `SELECT ${list.join(", ")} FROM ${quoteName(`raw_${name}`)}${where}${last}`;
  if (earlier === undefined) return own;
  const past = select(earlier.table, columns, Math.min(earlier.than, before ?? earlier.than));
  return `SELECT * FROM (${own}) UNION ALL SELECT * FROM (${past})`;
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
      if (column.bits === 128) return nullable ? "Nullable(Int128)" : "Int128";
      return nullable ? "Nullable(Int64)" : wholeTypes[column.bits ?? 64];
    case "text":
      if (nullable) return "Nullable(String)";
      return column.few === true ? "LowCardinality(String)" : "String";
    case "numbersByText":
      return "Map(LowCardinality(String), Float64)";
    default:
      return "String";
  }
}

const wholeTypes = { 8: "UInt8", 16: "UInt16", 32: "UInt32", 64: "Int64" } as const;
