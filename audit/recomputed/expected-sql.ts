import { conditionSql } from "../../schemas/condition-sql.ts";
import {
  type AggregateSpec,
  type FeatureColumn,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  type ValueOutput,
} from "../../schemas/feature-view.ts";
import { quoteName } from "../../schemas/sql-text.ts";

/**
 * A value of a type that is no double as a text: JSON has no whole numbers of 64 bits. Instants
 * are UTC ms in the events, and booleans are 0 and 1 in tables.
 */
export function valueText(value: string, output: ValueOutput): string {
  return output === "boolean" ? `toString(toUInt8(${value}))` : `toString(${value})`;
}

/** What the SQL of an aggregate is made of. */
type Parts = Pick<AggregateSpec, "parameters"> & {
  readonly value: string;
  readonly time: string;
  readonly inside: string;
};

/** What a kind of aggregate is by its definition; whoever checks brings the registry of them. */
export interface DefinedAggregate {
  /** What stands where there are no values. */
  readonly naive: (
    values: readonly number[],
    parameters: Pick<AggregateSpec, "parameters">,
    times: readonly number[],
  ) => number | null;
  /** ClickHouse's expression for it over the events of one key. */
  readonly sql: (parts: Parts) => string;
  /** What its rounding is relative to. @default its value, or 1 if that is more */
  readonly sqlMagnitude?: (parts: Parts) => string;
  /** Relative difference that rounding alone explains. */
  readonly tolerance: { readonly sql: number };
}

/**
 * Names, as in SQL, of what an event has besides the fields of its record: a number of its own, its
 * event time, and when it was known, UTC ms. No field has such a name.
 */
export const event = { id: "`:id`", time: "`:time`", known: "`:known`" } as const;

/** Name of what the rounding of a column is relative to, which no column has. */
export const magnitudeName = (column: string) => `:magnitude ${column}`;

/** The aggregates by kind. */
export type Definitions = (kind: string) => DefinedAggregate;

/**
 * SELECT of what the features of a view must be at each point, window by window, from the events:
 * an event counts at q if it was known before q and its time lies in `[q − w, q)`.
 *
 * @param events - SELECT of the fields that the view reads, and of {@link event}.
 * @param points - table of `id`, `key_0`…, `q`.
 */
export function expectedSql(
  view: FeatureViewSpec,
  definitions: Definitions,
  events: string,
  points: string,
): string {
  const longest = Math.max(...view.windows.map(({ lengthMs }) => lengthMs));
  const aggregates = featureColumns(view).flatMap((column) => aggregateSql(column, definitions));
  const keys = view.keyFields.map(
    (field, index) => `p.key_${index} = toString(e.${quoteName(field)})`,
  );
  // Events lie in buckets as long as the longest window; a point looks into two of them.
  return `SELECT p.id AS id, ${aggregates.join(",\n  ")}
  FROM (
    SELECT *, arrayJoin(arrayDistinct(
      [intDiv(q - ${longest}, ${longest}), intDiv(q - 1, ${longest})])) AS bucket
    FROM ${points}) AS p
  LEFT JOIN (SELECT *, intDiv(${event.time}, ${longest}) AS bucket FROM (${events})) AS e
    ON ${keys.join(" AND ")} AND p.bucket = e.bucket
  GROUP BY id ORDER BY id`;
}

function aggregateSql(featureColumn: FeatureColumn, definitions: Definitions): string[] {
  const { aggregate, window, column } = featureColumn;
  const { field, identity, condition, where } = aggregate;
  const named = field === undefined ? "1" : `e.${quoteName(field)}`;
  const isValue = isValueOutput(aggregate.output);
  const read = identity || isValue ? named : `toFloat64(${named})`;
  const value = condition ? conditionSql(condition, "e.") : read;
  const time = `e.${event.time}`;
  const inside = [
    // A point without events is joined with one at 0.
    `${time} > 0 AND e.${event.known} < p.q AND ${time} >= p.q - ${window.lengthMs}`,
    `isNotNull(${value})`,
    ...(where ? [conditionSql(where, "e.")] : []),
  ].join(" AND ");
  const { naive, sql, sqlMagnitude } = definitions(aggregate.kind);
  const empty = naive([], aggregate, []) ?? "NULL";
  const parts = { ...aggregate, value, time, inside };
  const stored = sql(parts);
  const since = aggregate.output === "since" ? `toFloat64(any(p.q) - ${stored})` : stored;
  const all = isValueOutput(aggregate.output) ? valueText(stored, aggregate.output) : since;
  return [
    `if(countIf(${inside}) = 0, ${empty}, ${all}) AS ${quoteName(column)}`,
    ...(sqlMagnitude ? [`${sqlMagnitude(parts)} AS ${quoteName(magnitudeName(column))}`] : []),
  ];
}
