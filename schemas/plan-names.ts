import { type FeatureViewSpec, featureColumns, viewId } from "./feature-view.ts";
import { type Plan, type StoredTopic, type TableSpec, topologyOf } from "./plan.ts";
import { viewsOf } from "./plan-facts.ts";

/**
 * Event time from which on a strand has every column that it took over as right as it was before;
 * null: from the beginning.
 */
export function takesOverAt({ growth, widens }: Pick<Plan, "growth" | "widens">): number | null {
  if (growth === undefined || widens === undefined) return null;
  const since = featureColumns(widens.view).map(
    ({ column }) => growth.completeSince[column] ?? Number.NEGATIVE_INFINITY,
  );
  const latest = Math.max(...since);
  return Number.isFinite(latest) ? latest : null;
}

/**
 * By column since when it is right, UTC ms, whichever layout it is read from; null: from the
 * beginning on.
 */
export function completeSince(
  { growth, widens }: Pick<Plan, "growth" | "widens">,
  column: string,
): number | null {
  const before = widens && featureColumns(widens.view).some((each) => each.column === column);
  return before ? completeSince(widens, column) : (growth?.completeSince[column] ?? null);
}

/** A column of a version of a view, as readers get it. */
export interface ServedColumn {
  readonly topology: string;
  readonly view: FeatureViewSpec;
  readonly column: string;
  /** Event time from which on it is right, UTC ms; null: from the beginning. */
  readonly completeSince: number | null;
  /** False: what came before it was added is still being read. */
  readonly filled: boolean;
}

/** The columns of all versions, each as it is served, or as it will be once it is filled. */
export function servedColumns(plans: readonly Plan[]): ServedColumn[] {
  const all = new Map<string, ServedColumn>();
  for (const plan of plans) {
    const [filled, topology] = [isServed(plan), topologyOf(plan)];
    for (const view of viewsOf(plan)) {
      for (const { column } of featureColumns(view)) {
        const key = `${topology} ${viewId(view)} ${column}`;
        if (!filled && all.has(key)) continue;
        const since = completeSince(plan, column);
        all.set(key, { topology, view, column, completeSince: since, filled });
      }
    }
  }
  return [...all.values()];
}

/** Whether rows of a plan are what readers get. */
export function isServed({ growth }: Pick<Plan, "growth">): boolean {
  return growth === undefined || growth.cutOver;
}

/**
 * Plans whose tables say what analysts see of them: a name belongs to the newest version that is
 * served, and of it to the newest layout, with the columns that are still being filled as nulls.
 */
export function shownPlans(plans: readonly Plan[]): Plan[] {
  if (plans.length === 1) return [...plans];
  const served = plans.filter(isServed).flatMap(tablesOf);
  const filling = plans.filter((plan) => !isServed(plan)).flatMap(tablesOf);
  return plans.map((plan) => {
    const stored = plan.stored.map((each): StoredTopic => {
      const { table } = each;
      if (table === null) return each;
      const isHidden = served.some((other) => other.view === table.view && isNewer(other, table));
      if (isHidden) return { ...each, table: { ...table, shown: [] } };
      const earlier = earlierOf(plan, table);
      const next = filling.filter((other) => isLayoutOf(other, table)).at(-1);
      const names = new Set(table.columns.map(({ name }) => name));
      const missing = next?.columns.filter(({ name }) => !names.has(name)) ?? [];
      return {
        ...each,
        table: {
          ...table,
          ...(missing.length > 0 && { filling: missing }),
          ...(earlier && { earlier }),
        },
      };
    });
    return Object.freeze({ ...plan, stored });
  });
}

/** A plan that leaves the names that analysts know alone: another process sets them. */
export function withoutNames(plan: Plan): Plan {
  const stored = plan.stored.map((each) =>
    each.table === null ? each : { ...each, table: { ...each.table, shown: [] } },
  );
  return Object.freeze({ ...plan, stored });
}

/** Of a table that does not hold all that came before, what does. */
function earlierOf(
  plan: Pick<Plan, "growth" | "widens">,
  table: TableSpec,
): TableSpec["earlier"] | null {
  const than = takesOverAt(plan);
  const before = plan.widens?.table;
  if (than === null || !before || !plan.widens || !isLayoutOf(table, before)) return null;
  const earlier: TableSpec["earlier"] | null = earlierOf(plan.widens, before);
  return { than, table: earlier ? { ...before, earlier } : before };
}

function tablesOf({ stored }: Plan): TableSpec[] {
  return stored.flatMap(({ table }) => (table === null ? [] : [table]));
}

/** Whether a table has rows of the same version of a view in a newer layout. */
function isLayoutOf(table: TableSpec, of: TableSpec): boolean {
  const { layout = 1 } = of;
  return table.view === of.view && table.version === of.version && (table.layout ?? 1) > layout;
}

function isNewer(one: TableSpec, than: TableSpec): boolean {
  return one.version > than.version || isLayoutOf(one, than);
}
