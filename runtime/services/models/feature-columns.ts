import { MillraceError } from "../../../schemas/errors.ts";
import { nearest } from "../../../schemas/nearest.ts";
import type { PredictionFacts } from "../../../schemas/plan.ts";
import type { OfflineStore, QueryTextOptions } from "../../../sinks/store.ts";

/** A column of ClickHouse's. */
export interface Column {
  readonly name: string;
  readonly type: string;
}

/** Types of ClickHouse's whose values are numbers; Nothing: NULL, and nothing else. */
const numeric = /^(?:U?Int\d+|B?Float\d+|Decimal\(.*\)|Bool|Nothing)$/;

/**
 * Columns of what stands behind FROM, in their order; no row of it is read.
 *
 * @throws {MillraceError} OFFLINE_QUERY_FAILED; OFFLINE_READ_ONLY where the options say so.
 */
export async function columnsOf(
  offline: Pick<OfflineStore, "queryText">,
  source: string,
  options: QueryTextOptions = {},
): Promise<readonly Column[]> {
  const described = await offline.queryText(
    `SELECT * FROM ${source} LIMIT 0`,
    "JSONCompactEachRowWithNamesAndTypes",
    options,
  );
  const [names = "[]", types = "[]"] = described.split("\n");
  const typeOf = JSON.parse(types) as readonly string[];
  return (JSON.parse(names) as readonly string[]).map((name, index) => ({
    name,
    type: typeOf[index] as string,
  }));
}

/**
 * Holds columns against the features of a step. What is no number is refused and not read as one:
 * a text that says none would be missing, a date the count of its days, and nobody would be told.
 *
 * @param what - has the columns, for messages, e.g. `the query`.
 * @throws {MillraceError} SCORE_REFUSED saying what to change.
 */
export function requireFeatures(
  columns: readonly Column[],
  { features, name: step }: Pick<PredictionFacts, "name" | "features">,
  what: string,
): void {
  const typeOf = new Map(columns.map(({ name, type }) => [name, type]));
  for (const feature of features) {
    const type = typeOf.get(feature);
    if (type === undefined) {
      const near = nearest(feature, [...typeOf.keys()]);
      throw refused(`${what} has no column ${feature}, a feature of the step ${step}${near}`);
    }
    if (numeric.test(bare(type))) continue;
    throw refused(`the column ${feature} of ${what} is ${type}, and a feature has to be a number`);
  }
}

/** Without what says that it may be NULL, or how it is kept. */
function bare(type: string): string {
  const [, inner] = /^(?:LowCardinality|Nullable)\((.*)\)$/.exec(type) ?? [];
  return inner === undefined ? type : bare(inner);
}

/** @param reason - what to change, without the full stop. */
export function refused(reason: string, cause?: unknown): MillraceError {
  return new MillraceError("SCORE_REFUSED", { reason }, { cause });
}
