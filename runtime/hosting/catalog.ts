import { featureColumns, viewId } from "../../schemas/feature-view.ts";
import { type Plan, stepsOf, topologyOf } from "../../schemas/plan.ts";
import { completeSince, isServed } from "../../schemas/plan-names.ts";
import { quoteName, quoteText } from "../../schemas/sql-text.ts";
import { sqlTime } from "../../sinks/sql-time.ts";
import { utc } from "../offline/plumbing.ts";
import { offlineTables, offlineViews } from "../offline/tables.ts";
import type { Stack } from "./stack.ts";

/** Makes the tables of a plan, and the names that analysts know, once its rows are complete. */
export async function migrateOffline({ offline }: Pick<Stack, "offline">, plan: Plan) {
  await offline
    .of(topologyOf(plan))
    .migrate(offlineTables(plan), isServed(plan) ? offlineViews(plan) : []);
}

/** Name of the view with all columns of all feature views, and since when they are right. */
const catalog = "feature_catalog";

/** Tells analysts which columns a topology has. @param strands - the plans as which it runs. */
export async function migrateCatalog(
  { offline }: Pick<Stack, "offline">,
  topology: string,
  strands: readonly Plan[],
): Promise<void> {
  const columns = columnsOf(strands).map(({ view, version, column, since, isFilled }) => {
    const time = since === null ? "NULL" : sqlTime(since);
    const of = [quoteText(view), `toUInt32(${version})`, quoteText(column)];
    const told = [...of, `CAST(${time}, ${quoteText(instant)})`, isFilled ? 1 : 0];
    return `tuple(${told.join(", ")})`;
  });
  if (columns.length === 0) return;
  const names = ["view", "version", "column", "complete_since", "filled"];
  const shown = names.map((name, index) => `each.${index + 1} AS ${quoteName(name)}`).join(", ");
  const select = `SELECT ${shown} FROM (SELECT arrayJoin([${columns.join(", ")}]) AS each)`;
  await offline.of(topology).migrate([], [{ name: catalog, select }]);
}

const instant = `Nullable(${utc})`;

interface CatalogColumn {
  readonly view: string;
  readonly version: number;
  readonly column: string;
  /** Event time, UTC ms; null: from the beginning. */
  readonly since: number | null;
  readonly isFilled: boolean;
}

/** The columns of all versions, each as it is served, or once it is filled. */
function columnsOf(strands: readonly Plan[]): CatalogColumn[] {
  const all = new Map<string, CatalogColumn>();
  for (const plan of strands) {
    const isFilled = isServed(plan);
    for (const view of stepsOf(plan, "view")) {
      for (const { column } of featureColumns(view)) {
        const key = `${viewId(view)} ${column}`;
        const since = completeSince(plan, column);
        const { name, version } = view;
        if (isFilled || !all.has(key))
          all.set(key, { view: name, version, column, since, isFilled });
      }
    }
  }
  return [...all.values()];
}
