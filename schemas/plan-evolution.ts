import { MillraceError } from "./errors.ts";
import { type FeatureViewSpec, tableName, type ViewColumns, viewId } from "./feature-view.ts";
import type { Growth, Plan, TableSpec, Widened } from "./plan.ts";
import { addedColumns, type PlanChange, planChanges } from "./plan-changes.ts";
import { predictionsOf, viewNamed, viewsOf } from "./plan-facts.ts";
import { shownPlans } from "./plan-names.ts";
import { canonical, type PlanPart, partsOf, viewOfPart } from "./plan-parts.ts";
import { canBeStrand, isOverSource, strandName, strandOf, withoutViews } from "./plan-strands.ts";

/** What runs under the name of a topology, as Kafka has it. */
export interface Standing {
  /** Of the topology itself; empty where it has never run. */
  readonly parts: readonly PlanPart[];
  /** By view its strands, oldest layout first. */
  readonly strands: ReadonlyMap<string, readonly StandingStrand[]>;
  /** What is known of strands that were begun and have not run yet, by their names. */
  readonly begun: ReadonlyMap<string, Growth>;
}

export interface StandingStrand {
  readonly parts: readonly PlanPart[];
  /** Its view, as it was told. */
  readonly view: PlanPart;
  /** Null: nothing is known of it yet. */
  readonly growth: Growth | null;
}

/** What a start with a plan means where it has run before. */
export interface Evolution {
  /** What goes on as it stood, then the strands. */
  readonly running: readonly Plan[];
  /** Strands that others with more columns have taken the place of. */
  readonly retired: readonly Plan[];
  /** Against what stands; a start is refused where one of them has a remedy. */
  readonly changes: readonly PlanChange[];
}

/** Of a strand of which nothing is known yet. */
export const unknown: Growth = { completeSince: {}, cutOver: false };

/**
 * The plans as which a topology runs: itself, or what stood before and a strand for each view, and
 * for each layout of a view, that is new since. What stood keeps the columns with which it stands,
 * in its views and in the steps that look them up. What can be no strand is left in what stood, so
 * that the comparison refuses it.
 */
export function evolution(standing: Standing, plan: Plan): Evolution {
  if (standing.parts.length === 0) return { running: [plan], retired: [], changes: [] };
  const known = viewParts(standing.parts);
  const parts = viewParts(partsOf(plan));
  const fresh = viewsOf(plan)
    .map(viewId)
    .filter((id) => !known.has(id) && canBeStrand(plan, id));
  const pins = new Map<string, ViewColumns>();
  for (const view of viewsOf(plan)) {
    const [was, is] = [known, parts].map((all) => all.get(viewId(view)));
    if (was === undefined || is === undefined || !isOverSource(plan, view)) continue;
    if (addedColumns(was, is) === null) continue;
    pins.set(viewId(view), columnsOf(was, view));
  }
  const narrowed = withColumns(plan, pins);
  const trunk = withoutViews(narrowed ?? plan, new Set(fresh));
  const found: Evolution[] = [
    { running: [trunk], retired: [], changes: planChanges(standing.parts, partsOf(trunk)) },
  ];
  if (narrowed !== null) {
    for (const view of viewsOf(plan)) {
      const id = viewId(view);
      const base = fresh.includes(id) ? null : (known.get(id) ?? null);
      const stood = standing.strands.get(id) ?? [];
      if (base !== null && stood.length === 0 && !pins.has(id)) continue;
      if (base === null && !fresh.includes(id)) continue;
      const is = parts.get(id);
      found.push(strandsOfView({ plan, trunk, view, base, stood, is, begun: standing.begun }));
    }
  }
  for (const [id, stood] of standing.strands) {
    const newest = stood.at(-1);
    if (parts.has(id) || known.has(id) || newest === undefined) continue;
    found.push({ running: [], retired: [], changes: planChanges([newest.view], []) });
  }
  return {
    running: shownPlans(found.flatMap(({ running }) => running)),
    retired: found.flatMap(({ retired }) => retired),
    changes: distinct(found.flatMap(({ changes }) => changes)),
  };
}

interface ViewToGrow {
  readonly plan: Plan;
  readonly trunk: Plan;
  readonly view: FeatureViewSpec;
  /** As the trunk has it; null: it is a strand from its first layout on. */
  readonly base: PlanPart | null;
  readonly stood: readonly StandingStrand[];
  readonly is: PlanPart | undefined;
  readonly begun: Standing["begun"];
}

/** The strands of one view, each over the layout that serves until it is cut over. */
function strandsOfView(grown: ViewToGrow): Evolution {
  const { plan, trunk, view, base, stood, is, begun } = grown;
  const id = viewId(view);
  const changes: PlanChange[] = [];
  const layouts: { columns: ViewColumns; growth: Growth; parts: readonly PlanPart[] }[] = stood.map(
    ({ view: was, growth, parts }) => ({
      columns: columnsOf(was, view),
      growth: growth ?? unknown,
      parts,
    }),
  );
  const newest = stood.at(-1)?.view ?? base;
  const { aggregates, windows } = view;
  const growthOf = (layout: number) => begun.get(strandName(plan.name, id, layout)) ?? unknown;
  if (newest === null) {
    layouts.push({ columns: { aggregates, windows }, growth: growthOf(1), parts: [] });
  } else if (is !== undefined) {
    const [was, now] = [withoutLayout(newest), withoutLayout(is)];
    const [change] = planChanges([was], [now]);
    const added = addedColumns(was, now);
    if (change !== undefined && added !== null && added.length > 0) {
      const layout = (columnsOf(newest, view).layout ?? 1) + 1;
      const columns = { aggregates, windows, layout };
      layouts.push({ columns, growth: growthOf(layout), parts: [] });
      const what = `${change.what}${keptVectors(trunk, id)}`;
      changes.push({ ...change, what, remedy: null });
    } else if (added === null && change?.kind === "break" && stood.length > 0) {
      changes.push(change);
    }
  }
  let serving: Widened | undefined = base === null ? undefined : layoutIn(trunk, id);
  const strands: Plan[] = [];
  for (const { columns, growth, parts } of layouts) {
    const whole = withColumns(plan, new Map([[id, columns]]));
    if (whole === null) continue;
    const cut = strandOf(whole, id);
    const strand = { ...cut, growth, ...(serving !== undefined && { widens: serving }) };
    strands.push(Object.freeze(strand));
    if (serving === undefined || growth.cutOver) serving = layoutIn(strand, id);
    const own = partsOf(cut);
    if (parts.length > 0) changes.push(...planChanges(parts, own));
    else if (newest === null) {
      // One that has never run is told as the view that it brings.
      const others = own.filter((part) => viewOfPart(part) === null);
      changes.push(...planChanges(others, own));
    }
  }
  const last = strands.at(-1);
  const before = last?.growth?.cutOver === false ? last.widens?.strand : undefined;
  const isRunning = (strand: Plan) => strand === last || strand.name === before;
  return {
    running: strands.filter(isRunning),
    retired: strands.filter((strand) => !isRunning(strand)),
    changes,
  };
}

/** The parts that views are of, by their ids. */
function viewParts(parts: readonly PlanPart[]): ReadonlyMap<string, PlanPart> {
  return new Map(
    parts.flatMap((part): [string, PlanPart][] => {
      const id = viewOfPart(part);
      return id === null ? [] : [[id, part]];
    }),
  );
}

/** What becomes of the steps that look a view up while it gets columns. */
function keptVectors(trunk: Plan, id: string): string {
  const looking = predictionsOf(trunk).filter(({ lookups }) =>
    lookups.some(({ view }) => view === id),
  );
  if (looking.length === 0) return "";
  const names = looking.map(({ name }) => name).join(", ");
  return (
    `; the vector of ${names} stays without them, as its models were trained on it ` +
    "(for another vector give the topology another name, or start over)"
  );
}

function layoutIn(plan: Plan, id: string): Widened | undefined {
  const view = viewNamed(plan, id);
  if (view === undefined) return undefined;
  const { growth, widens, name: strand } = plan;
  const table = tableOf(plan, view);
  return { view, table, strand, ...(growth && { growth }), ...(widens && { widens }) };
}

/** The table of a view's rows, if they are kept. */
function tableOf(plan: Plan, view: FeatureViewSpec): TableSpec | null {
  const name = tableName(view);
  return plan.stored.find(({ table }) => table?.name === name)?.table ?? null;
}

/** Null: the steps say something about columns that would not be there. */
function withColumns(plan: Plan, columns: ReadonlyMap<string, ViewColumns>): Plan | null {
  const isSo = viewsOf(plan).every((view) => {
    const other = columns.get(viewId(view));
    return other === undefined || canonical(other) === canonical(columnsIn(view));
  });
  if (isSo) return plan;
  try {
    return plan.withColumns?.(columns) ?? null;
  } catch (error) {
    if (error instanceof MillraceError && error.code === "TOPOLOGY_INVALID") return null;
    throw error;
  }
}

/**
 * The columns of a part, in the words of a view that has them all: what two aggregates share is
 * told by being the same, and large numbers are none in JSON.
 */
function columnsOf({ definition }: PlanPart, { aggregates, windows }: ViewColumns): ViewColumns {
  const was = columnsIn(definition as unknown as FeatureViewSpec);
  return {
    ...was,
    aggregates: was.aggregates.map(
      (one) => aggregates.find(({ name }) => name === one.name) ?? one,
    ),
    windows: was.windows.map((one) => windows.find(({ label }) => label === one.label) ?? one),
  };
}

function columnsIn({ aggregates, windows, layout }: ViewColumns): ViewColumns {
  return { aggregates, windows, ...(layout !== undefined && { layout }) };
}

function withoutLayout(part: PlanPart): PlanPart {
  const { layout: _, ...definition } = part.definition;
  // Parts are compared field by field where their hashes differ.
  return { ...part, definition, fingerprint: canonical(definition) };
}

/** What the topology and a strand of it say alike is said once. */
function distinct(changes: readonly PlanChange[]): PlanChange[] {
  return [...new Map(changes.map((change) => [canonical(change), change])).values()];
}
