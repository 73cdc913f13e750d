import { aggregateKind } from "../../../processors/aggregate/registry.ts";
import type { Condition } from "../../../schemas/expression.ts";
import {
  type FeatureColumn,
  type FeatureViewSpec,
  featureColumns,
} from "../../../schemas/feature-view.ts";
import { quoteText } from "../../../sinks/sql-text.ts";

/**
 * SELECT of what the features of a view must be at each point, window by window, from the events:
 * an event counts at q if it was known before q and its time lies in `[q − w, q)`.
 *
 * @param points - file of lines `id, key fields…, q`.
 */
export function expectedSql(view: FeatureViewSpec, events: string, points: string): string {
  const longest = Math.max(...view.windows.map(({ lengthMs }) => lengthMs));
  const keys = view.keyFields;
  const aggregates = featureColumns(view).map(
    (column) => `${aggregateSql(column)} AS \`${column.column}\``,
  );
  // Events lie in buckets as long as the longest window; a point looks into two of them.
  return `SELECT p.id AS id, ${aggregates.join(",\n  ")}
  FROM (
    SELECT *, arrayJoin(arrayDistinct(
      [intDiv(q - ${longest}, ${longest}), intDiv(q - 1, ${longest})])) AS bucket
    FROM ${pointsSql(view, points)}) AS p
  LEFT JOIN (SELECT *, intDiv(t, ${longest}) AS bucket FROM (${events})) AS e
    ON ${keys.map((field) => `p.${field} = e.${field}`).join(" AND ")} AND p.bucket = e.bucket
  GROUP BY id ORDER BY id`;
}

/** The points of a file as a table expression. */
export function pointsSql(view: FeatureViewSpec, points: string): string {
  const fields = view.keyFields.map((field) => `${field} String`).join(", ");
  return `file(${quoteText(points)}, TSV, 'id UInt32, ${fields}, q Int64')`;
}

function aggregateSql({ aggregate, window }: FeatureColumn): string {
  const { field, identity, condition, where } = aggregate;
  const read = identity ? `e.${field}` : `toFloat64(${field ? `e.${field}` : 1})`;
  const value = condition ? conditionSql(condition) : read;
  const inside = [
    `e.t > 0 AND e.k < p.q AND e.t >= p.q - ${window.lengthMs}`,
    ...(where ? [conditionSql(where)] : []),
  ].join(" AND ");
  const { naive, sql } = aggregateKind(aggregate.kind);
  const empty = naive([], aggregate, []) ?? "NULL";
  const stored = sql({ ...aggregate, value, time: "e.t", inside });
  const all = aggregate.output === "since" ? `toFloat64(p.q - ${stored})` : stored;
  return `if(countIf(${inside}) = 0, ${empty}, ${all})`;
}

/** @throws {RangeError} for a closure, which SQL cannot repeat. */
function conditionSql(condition: Condition): string {
  switch (condition.op) {
    case "custom":
      throw new RangeError(`the oracle cannot compute the closure ${condition.name}`);
    case "not":
      return `(NOT ${conditionSql(condition.condition)})`;
    case "and":
    case "or":
      return `(${condition.all.map(conditionSql).join(` ${condition.op.toUpperCase()} `)})`;
    default: {
      const symbol = { gt: ">", gte: ">=", lt: "<", lte: "<=", eq: "=", neq: "!=" }[condition.op];
      if ("other" in condition) return `(e.${condition.field} ${symbol} e.${condition.other})`;
      const value =
        typeof condition.value === "string" ? quoteText(condition.value) : Number(condition.value);
      return `(e.${condition.field} ${symbol} ${value})`;
    }
  }
}
