import { readFile } from "node:fs/promises";
import { MillraceError } from "../../../schemas/errors.ts";
import type { PredictionFacts } from "../../../schemas/plan.ts";
import { quoteName } from "../../../schemas/sql-text.ts";
import type { OfflineStore } from "../../../sinks/store.ts";
import { unreadable } from "./unreadable.ts";

/** Rows that a model is asked for before it may serve. */
export interface CheckedRows {
  readonly from: "golden" | "offline" | "made";
  /** Row-major, NaN where a value is missing. */
  readonly values: Float64Array;
  /** null: nobody has said what they score. */
  readonly scores: Float64Array | null;
}

const storedRowsMax = 256;
const goldenRowsMax = 10_000;

interface Golden {
  readonly features?: readonly string[];
  readonly rows?: readonly (readonly (number | null)[])[];
  readonly scores?: readonly number[];
}

/**
 * Golden rows of a JSON file: `{"features": […], "rows": [[…]], "scores": […]}`, null where a value
 * is missing; without `features` the rows are in the order of the step. Features of the step that
 * the rows do not have are missing in all of them.
 *
 * @param order - names of the features that the model takes, which the rows have to have; null: all
 * @throws {MillraceError} MODEL_REFUSED saying what is wrong with the file.
 */
export async function goldenRows(
  file: string,
  features: readonly string[],
  order: readonly string[] | null,
): Promise<CheckedRows> {
  const wrong = (what: string): MillraceError =>
    new MillraceError("MODEL_REFUSED", { reason: `the golden rows of ${file} ${what}` });
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new MillraceError("MODEL_REFUSED", { reason: unreadable(file, cause) }, { cause });
  });
  let golden: Golden;
  try {
    golden = JSON.parse(text) as Golden;
  } catch (error) {
    throw wrong(`are no JSON: ${error instanceof Error ? error.message : error}`);
  }
  const { features: named = features, rows, scores } = golden;
  if (!Array.isArray(rows) || rows.length === 0 || rows.length > goldenRowsMax) {
    throw wrong(
      `are not 1 to ${goldenRowsMax} rows: {"features": […], "rows": [[…]], "scores": […]}`,
    );
  }
  if (scores !== undefined && scores.length !== rows.length) {
    throw wrong(`are ${rows.length}, with ${scores.length} scores`);
  }
  const at = features.map((name) => named.indexOf(name));
  const lacking = features.find(
    (name) => (order ?? features).includes(name) && !named.includes(name),
  );
  if (lacking !== undefined) throw wrong(`lack the feature ${lacking}`);
  const values = rows.flatMap((row, index) => {
    if (!Array.isArray(row) || row.length !== named.length) {
      throw wrong(`have ${named.length} features, but row ${index + 1} has not so many values`);
    }
    return at.map((column) => {
      const value = column < 0 ? null : row[column];
      if (value === null) return Number.NaN;
      if (typeof value !== "number")
        throw wrong(`hold ${JSON.stringify(value)} in row ${index + 1}, no number`);
      return value;
    });
  });
  return {
    from: "golden",
    values: Float64Array.from(values),
    scores: scores === undefined ? null : Float64Array.from(scores),
  };
}

/** The newest feature vectors of a step that were served; null while there are none. */
export async function storedRows(
  offline: Pick<OfflineStore, "query">,
  { name, features }: PredictionFacts,
): Promise<CheckedRows | null> {
  const columns = features.map((feature, index) => `toFloat64(${quoteName(feature)}) AS f${index}`);
  const found = await offline.query<Record<string, number | null>>(
    `SELECT ${columns.join(", ")} FROM ${quoteName(name)}
    ORDER BY known_at DESC LIMIT ${storedRowsMax}`,
  );
  if (found.length === 0) return null;
  const values = found.flatMap((row) => features.map((_, index) => row[`f${index}`] ?? Number.NaN));
  return { from: "offline", values: Float64Array.from(values), scores: null };
}

/** Rows that nobody has seen: multiples of the golden ratio, from −2 to 2, some missing. */
export function madeRows(width: number): CheckedRows {
  const values = Float64Array.from({ length: 64 * width }, (_, at) => {
    const part = (at * 0.618_033_988_749_894_9) % 1;
    return at % 11 === 7 ? Number.NaN : part * 4 - 2;
  });
  return { from: "made", values, scores: null };
}
