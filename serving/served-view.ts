import { MillraceError } from "../schemas/errors.ts";
import { type FeatureViewSpec, featureColumns, viewId } from "../schemas/feature-view.ts";
import { nearest } from "../schemas/nearest.ts";
import { type Plan, topologyOf } from "../schemas/plan.ts";
import { viewsOf } from "../schemas/plan-facts.ts";
import { isServed, takesOverAt } from "../schemas/plan-names.ts";
import { namedTopology } from "./named-topology.ts";

/** Which view is meant. */
export interface AskedView {
  /** `name` or `name@version`. */
  readonly view: string;
  /** Whose view it is; null: of the only topology that has it. */
  readonly topology: string | null;
}

export interface FoundView {
  readonly view: FeatureViewSpec;
  readonly plan: Plan;
  /** Columns that it gets once they are filled. */
  readonly filling: readonly string[];
}

/**
 * The newest version where none is named, in its newest layout that is served.
 *
 * @throws {MillraceError} VIEW_UNKNOWN, VIEW_AMBIGUOUS, LOOK_UNKNOWN of a topology.
 */
export function findView(plans: readonly Plan[], { view: asked, topology }: AskedView): FoundView {
  const only = topology === null ? null : namedTopology(plans, topology).name;
  const asking = plans.filter((plan) => only === null || topologyOf(plan) === only);
  const all = asking.flatMap((plan) => viewsOf(plan).map((view) => ({ view, plan })));
  // A version that is still being filled goes by its whole name alone.
  const named = all.filter(
    ({ view, plan }) => viewId(view) === asked || (view.name === asked && isServed(plan)),
  );
  const layoutOf = ({ layout = 1 }: FeatureViewSpec) => layout;
  const newest = named.toSorted(
    (a, b) => b.view.version - a.view.version || layoutOf(b.view) - layoutOf(a.view),
  );
  const found = newest.find(({ plan }) => isServed(plan)) ?? newest.at(-1);
  if (found === undefined) {
    // A view that has grown stands in several layouts.
    const ids = [...new Set(all.map(({ view }) => viewId(view)))];
    const near = nearest(asked, [...ids, ...all.map(({ view }) => view.name)]);
    throw new MillraceError("VIEW_UNKNOWN", { view: asked, near, known: ids.join(", ") });
  }
  const owners = [...new Set(named.map(({ plan }) => topologyOf(plan)))];
  if (owners.length > 1) {
    throw new MillraceError("VIEW_AMBIGUOUS", { view: asked, topologies: owners.join(", ") });
  }
  const { view } = found;
  const next = all.filter(
    (each) =>
      viewId(each.view) === viewId(view) &&
      topologyOf(each.plan) === topologyOf(found.plan) &&
      layoutOf(each.view) > layoutOf(view),
  );
  return { view, plan: found.plan, filling: columnsBeyond(view, next) };
}

/** Columns of layouts to come that the one that is served has not. */
function columnsBeyond(
  view: FeatureViewSpec,
  next: readonly { readonly view: FeatureViewSpec }[],
): string[] {
  if (next.length === 0) return [];
  const columns = new Set(featureColumns(view).map(({ column }) => column));
  return next
    .flatMap((each) => featureColumns(each.view).map(({ column }) => column))
    .filter((column) => !columns.has(column));
}

/** @throws {MillraceError} VIEW_KEY_INVALID when a key has not as many values as the view's. */
export function checkKey(view: FeatureViewSpec, key: readonly string[]): void {
  if (key.length === view.keyFields.length) return;
  throw new MillraceError("VIEW_KEY_INVALID", {
    view: viewId(view),
    fields: view.keyFields.join(", "),
    given: key.length,
  });
}

/** The layout of a view that has all its columns right at an event time, UTC ms; null: now. */
export function servedAt(
  view: FeatureViewSpec,
  layout: Pick<Plan, "growth" | "widens">,
  at: number | null,
): FeatureViewSpec {
  const { widens } = layout;
  const from = takesOverAt(layout);
  if (at === null || from === null || at >= from || widens === undefined) return view;
  return servedAt(widens.view, widens, at);
}
