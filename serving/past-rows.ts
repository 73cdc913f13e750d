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
  const rows = await offline.query<Record<string, number | string | null>>(
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

function pastRow(
  columns: readonly FeatureColumn[],
  row: Readonly<Record<string, number | string | null>>,
  at: number,
): PastRow {
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

/** A value as `storedSql` reads it. */
function storedValue(output: ValueOutput, stored: number | string | null): Scalar {
  if (stored === null || output === "text") return stored;
  if (output === "boolean") return Number(stored) === 1;
  const whole = BigInt(stored);
  return whole === BigInt(Number(whole)) ? Number(whole) : whole;
}

/** A column as a row holds it; whole numbers of 64 bits as texts, for JSON has doubles alone. */
function storedSql({ column, aggregate }: FeatureColumn): string {
  const name = quoteName(column);
  switch (aggregate.output) {
    case "since":
      return `toUnixTimestamp64Milli(${name}) AS ${name}`;
    case "timestamp":
      return `toString(toUnixTimestamp64Milli(${name})) AS ${name}`;
    case "integer":
      return `toString(${name}) AS ${name}`;
    default:
      return name;
  }
}
