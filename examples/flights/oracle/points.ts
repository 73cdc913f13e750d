import type { FeatureViewSpec } from "../../../schemas/feature-view.ts";
import { quoteText } from "../../../sinks/sql-text.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { draw } from "../seeded.ts";
import type { RawFiles } from "./events-sql.ts";

/** A look-up to check: values of the key fields, and the instant, UTC ms. */
export interface OraclePoint {
  readonly key: readonly string[];
  readonly q: number;
}

export interface PointOptions {
  readonly view: FeatureViewSpec;
  /** SELECT of the events of the view's source. */
  readonly events: string;
  /** SELECT or table of the rows to check. */
  readonly rows: string;
  readonly files: RawFiles;
  readonly from: number;
  readonly to: number;
  readonly points: number;
  readonly seed: number;
}

/** Streams of the draws. */
const times = 11;
const keys = 12;

/**
 * A third of the points at times of rows, a third at t, t + 1 ms, t + w and t + w + 1 ms of events
 * and windows, a third uniform over time and over keys: every airport of the file, silent or not in
 * the range, and one that does not exist.
 */
export async function choosePoints(
  offline: Pick<OfflineStore, "query">,
  options: PointOptions,
): Promise<OraclePoint[]> {
  const third = Math.ceil(options.points / 3);
  const all = [
    ...(await atRows(offline, options, third)),
    ...(await atEvents(offline, options, third)),
    ...(await uniform(offline, options, options.points - 2 * third)),
  ];
  return all.slice(0, options.points);
}

async function atRows(
  offline: Pick<OfflineStore, "query">,
  { view, rows, to, seed }: PointOptions,
  count: number,
): Promise<OraclePoint[]> {
  const found = await offline.query<{ key: string[]; q: number }>(
    `SELECT [${view.keyFields.map((field) => `toString(${field})`).join(", ")}] AS key,
      toFloat64(toUnixTimestamp64Milli(as_of)) AS q
    FROM ${rows} WHERE toUnixTimestamp64Milli(as_of) <= ${to}
    ORDER BY cityHash64(key, q, seq, ${seed}) LIMIT ${count}`,
  );
  return found;
}

async function atEvents(
  offline: Pick<OfflineStore, "query">,
  { view, events, to, seed }: PointOptions,
  count: number,
): Promise<OraclePoint[]> {
  const offsets = [0, 1, ...view.windows.flatMap(({ lengthMs }) => [lengthMs, lengthMs + 1])];
  return offline.query<OraclePoint>(
    `SELECT key, toFloat64(
      t + [${offsets.join(", ")}][1 + cityHash64(flightId, ${seed}) % ${offsets.length}]) AS q
    FROM (
      SELECT [${view.keyFields.map((field) => `toString(${field})`).join(", ")}] AS key, t, flightId
      FROM (${events}))
    WHERE q <= ${to} ORDER BY cityHash64(flightId, ${seed + 1}) LIMIT ${count}`,
  );
}

async function uniform(
  offline: Pick<OfflineStore, "query">,
  { view, files, from, to, seed }: PointOptions,
  count: number,
): Promise<OraclePoint[]> {
  const found = await offline.query<{ origin: string }>(
    `SELECT DISTINCT assumeNotNull(origin) AS origin
    FROM file(${quoteText(files.flights)}, Parquet) ORDER BY origin`,
  );
  const airports = [...found.map(({ origin }) => origin), "???"];
  return Array.from({ length: count }, (_, index) => ({
    key: view.keyFields.map(
      (_, field) =>
        airports[Math.floor(draw(seed, keys, field, index) * airports.length)] as string,
    ),
    q: from + 1 + Math.floor(draw(seed, times, 0, index) * (to - from)),
  }));
}
