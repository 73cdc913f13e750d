import type { Scalar } from "../schemas/expression.ts";
import {
  type FeatureColumn,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  snakeCase,
  type ValueOutput,
  valueAt,
  viewTable,
} from "../schemas/feature-view.ts";
import type { FeatureRow } from "../schemas/row.ts";
import { quoteName, quoteText } from "../schemas/sql-text.ts";
import { sqlTime } from "../sinks/sql-time.ts";
import type { OfflineStore } from "../sinks/store.ts";

/** Columns by name; whole numbers are exact, as a store's query has them. */
type StoredColumns = Readonly<Record<string, number | bigint | string | null>>;

/** A row of the offline store, which says what its features are at the instant. */
export interface PastRow extends FeatureRow {
  readonly features: readonly Scalar[];
}

/**
 * The rows that held at an instant, UTC ms: of each key the last of those known before it; null
 * where there is none. One query.
 *
 * @param keys - values of the key fields, in their order.
 */
export async function readPast(
  offline: Pick<OfflineStore, "query">,
  view: FeatureViewSpec,
  keys: readonly (readonly string[])[],
  at: number,
): Promise<(PastRow | null)[]> {
  if (keys.length === 0) return [];
  const columns = featureColumns(view);
  const fields = view.keyFields.map(snakeCase);
  const wanted = keys.map((key) => `(${fields.map((_, i) => quoteText(key[i] ?? "")).join(", ")})`);
  const rows = await offline.query<StoredColumns>(
    `SELECT ${fields.map((field, i) => `${field} AS "key_${i}"`).join(", ")},
      toUnixTimestamp64Milli(as_of) AS "asOf",
      toUnixTimestamp64Milli(valid_until) AS "validUntil", seq, served,
      ${columns.map(storedSql).join(", ")}
    FROM ${viewTable(view)}
    WHERE (${fields.join(", ")}) IN (${wanted.join(", ")}) AND as_of < ${sqlTime(at)}
    ORDER BY as_of DESC, seq DESC LIMIT 1 BY ${fields.join(", ")}`,
  );
  const textOf = (values: readonly unknown[]) => JSON.stringify(values.map(String));
  const byKey = new Map(rows.map((row) => [textOf(fields.map((_, i) => row[`key_${i}`])), row]));
  return keys.map((key) => {
    const row = byKey.get(textOf(key));
    return row === undefined ? null : pastRow(columns, row, at);
  });
}

function pastRow(columns: readonly FeatureColumn[], row: StoredColumns, at: number): PastRow {
  const number = (name: string) => (row[name] == null ? Number.NaN : Number(row[name]));
  return {
    served: number("served"),
    seq: number("seq"),
    asOf: number("asOf"),
    validUntil: number("validUntil"),
    values: noNumbers,
    features: columns.map(({ column, aggregate: { output } }) => {
      if (isValueOutput(output)) return storedValue(output, row[column] ?? null);
      const value = valueAt(output, number(column), at);
      return Number.isNaN(value) ? null : value;
    }),
  };
}

const noNumbers = new Float64Array();

/** A value as `storedSql` reads it: as a row of the online store gives it. */
function storedValue(output: ValueOutput, stored: Scalar): Scalar {
  return output === "boolean" && stored !== null ? Number(stored) === 1 : stored;
}

/** A column as a row holds it: of instants the UTC ms. */
function storedSql({ column, aggregate: { output } }: FeatureColumn): string {
  const name = quoteName(column);
  const isInstant = output === "since" || output === "timestamp";
  return isInstant ? `toUnixTimestamp64Milli(${name}) AS ${name}` : name;
}
