import { type FeatureViewSpec, snakeCase } from "../../schemas/feature-view.ts";
import { quoteName } from "../../schemas/sql-text.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { event } from "./expected-sql.ts";

/** A look-up to check: values of the key fields as text, and the instant, UTC ms. */
export interface Point {
  readonly key: readonly string[];
  readonly q: number;
}

export interface PointOptions {
  /** Where the rows are. */
  readonly offline: Pick<OfflineStore, "query">;
  /** Where the events are. */
  readonly files: Pick<OfflineStore, "query">;
  readonly view: FeatureViewSpec;
  /** SELECT of the events of the view. */
  readonly events: string;
  /** SELECT or table of the rows to check. */
  readonly rows: string;
  /** SQL of an array of the values that a key field may have. @default those of the events */
  readonly keyValues?: (field: string) => string;
  /** Event time of the run, UTC ms. */
  readonly from: number;
  readonly to: number;
  readonly points: number;
  readonly seed: number;
}

/** A value that no key has. */
const nobody = "???";

/**
 * A third of the points at times of rows, a third at t, t + 1 ms, t + w and t + w + 1 ms of events
 * and windows, a third uniform over time and over the values of keys and one that does not exist.
 */
export async function choosePoints(options: PointOptions): Promise<Point[]> {
  const third = Math.ceil(options.points / 3);
  const all = [
    ...(await atRows(options, third)),
    ...(await atEvents(options, third)),
    ...(await uniform(options, options.points - 2 * third)),
  ];
  return all.slice(0, options.points);
}

function atRows({ offline, view, rows, to, seed }: PointOptions, count: number): Promise<Point[]> {
  const keys = view.keyFields.map((field) => `toString(${quoteName(snakeCase(field))})`);
  return offline.query<Point>(
    `SELECT [${keys.join(", ")}] AS key, toFloat64(toUnixTimestamp64Milli(as_of)) AS q
    FROM ${rows} WHERE toUnixTimestamp64Milli(as_of) <= ${to}
    ORDER BY cityHash64(key, q, seq, ${seed}) LIMIT ${count}`,
  );
}

function atEvents(options: PointOptions, count: number): Promise<Point[]> {
  const { files, view, events, to, seed } = options;
  const offsets = [0, 1, ...view.windows.flatMap(({ lengthMs }) => [lengthMs, lengthMs + 1])];
  const drawn = `1 + cityHash64(${event.id}, ${seed}) % ${offsets.length}`;
  return files.query<Point>(
    `SELECT key, toFloat64(${event.time} + [${offsets.join(", ")}][${drawn}]) AS q
    FROM (
      SELECT [${view.keyFields.map(keyText).join(", ")}] AS key, ${event.time}, ${event.id}
      FROM (${events}))
    WHERE q <= ${to} ORDER BY cityHash64(${event.id}, ${seed + 1}) LIMIT ${count}`,
  );
}

function uniform(options: PointOptions, count: number): Promise<Point[]> {
  const { files, view, events, from, to, seed } = options;
  const ofEvents = (field: string) =>
    `(SELECT arraySort(groupUniqArray(10000)(${keyText(field)})) FROM (${events}))`;
  const { keyValues = ofEvents } = options;
  const values = view.keyFields.map(
    (field, index) => `arrayPushBack(${keyValues(field)}, '${nobody}') AS values_${index}`,
  );
  const drawn = (index: number) =>
    `values_${index}[1 + cityHash64(number, ${index}, ${seed}) % length(values_${index})]`;
  return files.query<Point>(
    `WITH ${values.join(", ")}
    SELECT [${view.keyFields.map((_, index) => drawn(index)).join(", ")}] AS key,
      toFloat64(${from + 1} + cityHash64(number, 'q', ${seed}) % ${Math.max(1, to - from)}) AS q
    FROM numbers(${count})`,
  );
}

function keyText(field: string): string {
  return `toString(${quoteName(field)})`;
}
