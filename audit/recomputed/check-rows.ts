import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type FeatureOutput,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  snakeCase,
  viewId,
  viewTable,
} from "../../schemas/feature-view.ts";
import { quoteName, quoteText } from "../../schemas/sql-text.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import { type Definitions, expectedSql, magnitudeName, valueText } from "./expected-sql.ts";
import { choosePoints, type Point } from "./points.ts";
import { tsvText } from "./source-events.ts";

export interface RowsCheck {
  readonly offline: Pick<OfflineStore, "query">;
  /** An engine that reads files of this machine; may be the same. */
  readonly files: Pick<OfflineStore, "query">;
  readonly view: FeatureViewSpec;
  readonly definitions: Definitions;
  /** SELECT of the events of the view, see `expectedSql`. */
  readonly events: string;
  /** SQL of an array of the values that a key field may have. @default those of the events */
  readonly keyValues?: (field: string) => string;
  /** SQL of the rows. @default the view's table */
  readonly rows?: string;
  /** Event time that was run, UTC ms, complete up to `to`. */
  readonly from: number;
  readonly to: number;
  readonly points: number;
  readonly seed: number;
  /** Folder for the points, which the engine reads as files. */
  readonly folder: string;
}

export interface Mismatch {
  readonly view: string;
  readonly key: string;
  readonly q: number;
  readonly column: string;
  readonly expected: number | string | null;
  readonly found: number | string | null;
}

export interface RowsReport {
  /** Points that were compared. */
  readonly checked: number;
  /** Points at which a row from tiles would be served, which no exact computation equals. */
  readonly tiled: number;
  /** Points with any difference. */
  readonly mismatched: number;
  /** The first of them. */
  readonly mismatches: readonly Mismatch[];
}

const shownMismatches = 20;
const pointsPerQuery = 20_000;
/** Where points stand in the statement, whose size servers limit. */
const pointsPerStatement = 2_000;

/**
 * Compares the rows of a view in the offline store with a naive recomputation in SQL, window by
 * window, at chosen points. Shares no code with what computed the rows.
 */
export async function checkRows(check: RowsCheck): Promise<RowsReport> {
  const { view, offline, files, rows = viewTable(view) } = check;
  const chosen = await choosePoints({ ...check, rows });
  const partLength = offline === files ? pointsPerQuery : pointsPerStatement;
  const mismatches: Mismatch[] = [];
  let [mismatched, tiled] = [0, 0];
  for (let start = 0; start < chosen.length; start += partLength) {
    const part = chosen.slice(start, start + partLength);
    const found = await comparePart(check, view, rows, part);
    tiled += found.tiled;
    mismatched += new Set(found.mismatches.map(({ key, q }) => `${key} ${q}`)).size;
    mismatches.push(...found.mismatches.slice(0, shownMismatches));
  }
  return { checked: chosen.length - tiled, tiled, mismatched, mismatches };
}

/** The reports of several views as one. */
export function joinReports(reports: readonly RowsReport[]): RowsReport {
  const sum = (count: (report: RowsReport) => number) =>
    reports.reduce((total, report) => total + count(report), 0);
  return {
    checked: sum(({ checked }) => checked),
    tiled: sum(({ tiled }) => tiled),
    mismatched: sum(({ mismatched }) => mismatched),
    mismatches: reports.flatMap(({ mismatches }) => mismatches).slice(0, shownMismatches),
  };
}

type Answer = Readonly<Record<string, Value>>;

async function comparePart(
  { offline, files, definitions, events, folder }: RowsCheck,
  view: FeatureViewSpec,
  rows: string,
  points: readonly Point[],
): Promise<Pick<RowsReport, "tiled" | "mismatches">> {
  const file = join(folder, `points-${view.name}-${process.pid}.tsv`);
  const lines = points.map(({ key, q }, id) => [id, ...key.map(tsvText), q].join("\t"));
  const text = `${lines.join("\n")}\n`;
  await writeFile(file, text, { mode: 0o600 });
  const keys = view.keyFields.map((_, index) => `key_${index} String`).join(", ");
  const structure = `'id UInt32, ${keys}, q Int64'`;
  const ofFile = `file(${quoteText(file)}, TSV, ${structure})`;
  const inText = `format(TSV, ${structure}, ${quoteText(text)})`;
  try {
    const expected = await files.query<Answer>(expectedSql(view, definitions, events, ofFile));
    const there = offline === files ? ofFile : inText;
    const found = await offline.query<Answer>(foundSql(view, rows, there));
    const isTiled = (id: number) => found[id]?.["is_tiled"] === 1;
    return {
      tiled: points.filter((_, id) => isTiled(id)).length,
      mismatches: points.flatMap((point, id) =>
        isTiled(id) ? [] : differences(view, definitions, point, [expected[id], found[id]]),
      ),
    };
  } finally {
    await rm(file, { force: true });
  }
}

/** The row that a look-up at q finds: the last as_of before q, of equal ones the highest seq. */
function foundSql(view: FeatureViewSpec, rows: string, points: string): string {
  const keys = view.keyFields.map((field) => quoteName(snakeCase(field)));
  const columns = featureColumns(view).map(({ column, aggregate }) => {
    const stored = `r.${quoteName(column)}`;
    return `${readSql(stored, aggregate.output)} AS ${quoteName(column)}`;
  });
  return `SELECT p.id AS id, toFloat64(toUnixTimestamp64Milli(r.as_of)) AS as_of_ms,
      toFloat64(toUnixTimestamp64Milli(r.valid_until)) AS valid_until_ms,
      r.served AS is_tiled, ${columns.join(", ")}
    FROM (SELECT *, fromUnixTimestamp64Milli(q, 'UTC') AS at FROM ${points}) AS p
    ASOF LEFT JOIN (
      SELECT * FROM ${rows} ORDER BY ${keys.join(", ")}, as_of, seq DESC
      LIMIT 1 BY ${keys.join(", ")}, as_of) AS r
    ON ${keys.map((key, index) => `p.key_${index} = r.${key}`).join(" AND ")} AND p.at > r.as_of
    ORDER BY id SETTINGS join_use_nulls = 1`;
}

/** A stored column as `expectedSql` computes it. */
function readSql(stored: string, output: FeatureOutput): string {
  if (output === "since") return `toFloat64(p.q - toUnixTimestamp64Milli(${stored}))`;
  if (!isValueOutput(output)) return stored;
  return valueText(output === "timestamp" ? `toUnixTimestamp64Milli(${stored})` : stored, output);
}

/** A number, or a value of another type as a text. */
type Value = number | string | null;

function differences(
  view: FeatureViewSpec,
  definitions: Definitions,
  { key, q }: Point,
  [expected, found]: readonly (Answer | undefined)[],
): Mismatch[] {
  const mismatch = (column: string, wanted: Value, was: Value): Mismatch => ({
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
  if (validUntil !== null && q > Number(validUntil))
    problems.push(mismatch("valid_until", q, validUntil));
  for (const { column, aggregate } of featureColumns(view)) {
    const wanted = expected?.[column] ?? null;
    const { naive, sqlMagnitude, tolerance } = definitions(aggregate.kind);
    const was = asOf === null ? naive([], aggregate, []) : (found?.[column] ?? null);
    const magnitude = sqlMagnitude && Number(expected?.[magnitudeName(column)] ?? 0);
    if (!agree(wanted, was, tolerance.sql, magnitude)) {
      problems.push(mismatch(column, wanted, was));
    }
  }
  return problems;
}

/** @param magnitude - of what the tolerance is a share. @default the value, or 1 if that is more */
function agree(expected: Value, found: Value, tolerance: number, magnitude?: number): boolean {
  if (typeof expected !== "number" || typeof found !== "number" || tolerance === 0) {
    return expected === found;
  }
  const relativeTo = magnitude ?? Math.max(1, Math.abs(expected));
  return Math.abs(expected - found) <= tolerance * relativeTo;
}
