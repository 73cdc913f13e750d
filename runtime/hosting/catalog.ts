import { type Plan, topologyOf } from "../../schemas/plan.ts";
import { isServed, servedColumns } from "../../schemas/plan-names.ts";
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
  const columns = servedColumns(strands).map(({ view, column, completeSince, filled }) => {
    const time = completeSince === null ? "NULL" : sqlTime(completeSince);
    const of = [quoteText(view.name), `toUInt32(${view.version})`, quoteText(column)];
    const told = [...of, `CAST(${time}, ${quoteText(instant)})`, filled ? 1 : 0];
    return `tuple(${told.join(", ")})`;
  });
  if (columns.length === 0) return;
  const names = ["view", "version", "column", "complete_since", "filled"];
  const shown = names.map((name, index) => `each.${index + 1} AS ${quoteName(name)}`).join(", ");
  const select = `SELECT ${shown} FROM (SELECT arrayJoin([${columns.join(", ")}]) AS each)`;
  await offline.of(topology).migrate([], [{ name: catalog, select }]);
}

const instant = `Nullable(${utc})`;
