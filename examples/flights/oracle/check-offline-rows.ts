import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { aggregateKind } from "../../../processors/aggregate/registry.ts";
import { type FeatureViewSpec, featureColumns, viewId } from "../../../schemas/feature-view.ts";
import { type Plan, stepsOf } from "../../../schemas/plan.ts";
import { quoteName } from "../../../sinks/sql-text.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { eventsSql, type RawFiles, type TopicDump, writeEvents } from "./events-sql.ts";
import { expectedSql, pointsSql } from "./expected-sql.ts";
import { choosePoints, type OraclePoint } from "./points.ts";

export interface OracleOptions {
  readonly offline: OfflineStore;
  readonly plan: Plan;
  readonly files: RawFiles;
  /** Event time that was run, UTC ms, complete up to `to`. */
  readonly from: number;
  readonly to: number;
  /** Points over all views together. */
  readonly points: number;
  readonly seed: number;
  /** Folder for the points, which the engine reads as files. */
  readonly folder: string;
  /** By source topic, when records were not sent in order or as they are. @default none */
  readonly dumps?: ReadonlyMap<string, TopicDump>;
  /** SQL of the rows of a view. @default its table */
  readonly rowsOf?: (view: FeatureViewSpec, events: string) => string;
}

export interface Mismatch {
  readonly view: string;
  readonly key: string;
  readonly q: number;
  readonly column: string;
  readonly expected: number | null;
  readonly found: number | null;
}

export interface OracleReport {
  readonly checked: number;
  /** Points with any difference. */
  readonly mismatched: number;
  /** The first of them. */
  readonly mismatches: readonly Mismatch[];
}

const shownMismatches = 20;
const pointsPerQuery = 20_000;

/**
 * Compares the offline rows with a naive recomputation over the raw Parquet file in SQL, window by
 * window, at chosen points. Shares no code with processors or replay.
 */
export async function checkOfflineRows(options: OracleOptions): Promise<OracleReport> {
  const views = stepsOf(options.plan, "view").filter((view) => view.stores.includes("offline"));
  const mismatches: Mismatch[] = [];
  let [checked, mismatched] = [0, 0];
  for (const [index, view] of views.entries()) {
    const share = Math.floor((options.points * (index + 1)) / views.length);
    const points = share - Math.floor((options.points * index) / views.length);
    const report = await checkView(options, view, points);
    checked += report.checked;
    mismatched += report.mismatched;
    mismatches.push(...report.mismatches);
  }
  return { checked, mismatched, mismatches: mismatches.slice(0, shownMismatches) };
}

async function checkView(
  options: OracleOptions,
  view: FeatureViewSpec,
  points: number,
): Promise<OracleReport> {
  const { offline, plan, files, from, to, dumps } = options;
  const source = plan.sources.find(({ topic }) => topic === view.source);
  if (source === undefined) throw new RangeError(`${viewId(view)} has no source`);
  const dump = dumps?.get(source.topic) ?? null;
  const raw = join(options.folder, `events-${view.name}-${process.pid}.tsv`);
  const sql = await eventsSql(offline, files, source, { from, to }, dump);
  const events = await writeEvents(offline, raw, sql);
  try {
    return await checkPoints(options, view, events, points);
  } finally {
    await rm(raw, { force: true });
  }
}

async function checkPoints(
  options: OracleOptions,
  view: FeatureViewSpec,
  events: string,
  points: number,
): Promise<OracleReport> {
  const { offline, files, from, to, seed } = options;
  const rows = options.rowsOf?.(view, events) ?? `raw_${view.name}_v${view.version}`;
  const chosen = await choosePoints(offline, {
    view,
    events,
    rows,
    files,
    from,
    to,
    points,
    seed,
  });
  const mismatches: Mismatch[] = [];
  let mismatched = 0;
  for (let start = 0; start < chosen.length; start += pointsPerQuery) {
    const part = chosen.slice(start, start + pointsPerQuery);
    const found = await comparePart(options, view, events, rows, part);
    mismatched += new Set(found.map(({ key, q }) => `${key} ${q}`)).size;
    mismatches.push(...found.slice(0, shownMismatches));
  }
  return { checked: chosen.length, mismatched, mismatches };
}

type Answer = Readonly<Record<string, number | null>>;

async function comparePart(
  { offline, folder }: OracleOptions,
  view: FeatureViewSpec,
  events: string,
  rows: string,
  points: readonly OraclePoint[],
): Promise<Mismatch[]> {
  const file = join(folder, `points-${view.name}-${process.pid}.tsv`);
  const lines = points.map(({ key, q }, id) => `${id}\t${key.join("\t")}\t${q}\n`);
  await writeFile(file, lines.join(""));
  try {
    const expected = await offline.query<Answer>(expectedSql(view, events, file));
    const found = await offline.query<Answer>(foundSql(view, rows, file));
    return points.flatMap((point, id) => differences(view, point, expected[id], found[id]));
  } finally {
    await rm(file, { force: true });
  }
}

/** The row that a look-up at q finds: the last as_of before q, of equal ones the highest seq. */
function foundSql(view: FeatureViewSpec, rows: string, points: string): string {
  const keys = view.keyFields;
  const columns = featureColumns(view).map(({ column, aggregate }) => {
    const stored = `r.${quoteName(column)}`;
    const isSince = aggregate.output === "since";
    const read = isSince ? `toFloat64(p.q - toUnixTimestamp64Milli(${stored}))` : stored;
    return `${read} AS ${quoteName(column)}`;
  });
  return `SELECT p.id AS id, toFloat64(toUnixTimestamp64Milli(r.as_of)) AS as_of_ms,
      toFloat64(toUnixTimestamp64Milli(r.valid_until)) AS valid_until_ms, ${columns.join(", ")}
    FROM (SELECT *, fromUnixTimestamp64Milli(q, 'UTC') AS at FROM ${pointsSql(view, points)}) AS p
    ASOF LEFT JOIN (
      SELECT * FROM ${rows} ORDER BY ${keys.join(", ")}, as_of, seq DESC
      LIMIT 1 BY ${keys.join(", ")}, as_of) AS r
    ON ${keys.map((field) => `p.${field} = r.${field}`).join(" AND ")} AND p.at > r.as_of
    ORDER BY id SETTINGS join_use_nulls = 1`;
}

function differences(
  view: FeatureViewSpec,
  { key, q }: OraclePoint,
  expected: Answer | undefined,
  found: Answer | undefined,
): Mismatch[] {
  const mismatch = (column: string, wanted: number | null, was: number | null): Mismatch => ({
    view: viewId(view),
    key: key.join("|"),
    q,
    column,
    expected: wanted,
    found: was,
  });
  const asOf = found?.["as_of_ms"] ?? null;
  const validUntil = found?.["valid_until_ms"] ?? null;
  const problems: Mismatch[] = [];
  // A row that has run out by q without a successor would be served although it is wrong.
  if (validUntil !== null && q > validUntil) problems.push(mismatch("valid_until", q, validUntil));
  for (const { column, aggregate } of featureColumns(view)) {
    const wanted = expected?.[column] ?? null;
    const { naive, tolerance } = aggregateKind(aggregate.kind);
    const was = asOf === null ? naive([], aggregate, []) : (found?.[column] ?? null);
    if (!agree(wanted, was, tolerance.sql)) problems.push(mismatch(column, wanted, was));
  }
  return problems;
}

function agree(expected: number | null, found: number | null, tolerance: number): boolean {
  if (expected === null || found === null || tolerance === 0) return expected === found;
  return Math.abs(expected - found) <= tolerance * Math.max(1, Math.abs(expected));
}
