import { MillraceError } from "../schemas/errors.ts";
import type { Scalar } from "../schemas/expression.ts";
import { featureValues } from "../schemas/feature-values.ts";
import {
  entityKey,
  type FeatureColumn,
  type FeatureViewSpec,
  featureColumns,
  isValueOutput,
  onlineName,
  snakeCase,
  type ValueOutput,
  valueAt,
  viewId,
  viewTable,
} from "../schemas/feature-view.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { nearest } from "../schemas/nearest.ts";
import { type Plan, stepsOf, topologyOf } from "../schemas/plan.ts";
import { completeSince, isServed, takesOverAt } from "../schemas/plan-names.ts";
import type { FeatureRow } from "../schemas/row.ts";
import { quoteName, quoteText } from "../schemas/sql-text.ts";
import { judgeFreshness } from "../sinks/freshness.ts";
import { onlineStoreOf } from "../sinks/online-namespace.ts";
import { sqlTime } from "../sinks/sql-time.ts";
import type { OfflineStore } from "../sinks/store.ts";
import type { FeatureAnswer, FeatureRequest } from "./inspector.ts";
import { namedTopology } from "./named-topology.ts";
import type { ServedStack } from "./served-stack.ts";

/**
 * Features of one entity at one event time: the online store's row where it holds then, else the
 * offline store's, which knows the past.
 *
 * @throws {MillraceError} VIEW_UNKNOWN, VIEW_AMBIGUOUS, VIEW_KEY_INVALID.
 */
export async function readFeatures(
  plans: readonly Plan[],
  stack: Pick<ServedStack, "online" | "offline">,
  request: FeatureRequest,
): Promise<FeatureAnswer> {
  const { view: newest, plan, filling } = findView(plans, request);
  const { view } = servedAt({ ...plan, view: newest }, request.at);
  const own = {
    online: onlineStoreOf(stack.online, topologyOf(plan)),
    offline: stack.offline.of(topologyOf(plan)),
  };
  const key = entityKey(request.key);
  const partition = partitionOf(key, plan.partitions);
  const [entry] = await own.online.read([{ view: onlineName(view), entityKey: key, partition }]);
  const progress = entry?.progress ?? Number.NEGATIVE_INFINITY;
  const at = request.at ?? progress;
  const row = entry?.row ?? null;
  const base = { topology: topologyOf(plan), view: viewId(view), key };
  const answer = { ...base, at: finite(at), progress: finite(progress) };
  // A key that the online store has let go of may have a past, too.
  const isPast = row === null ? at < progress : at <= row.asOf;
  const source = isPast ? "offline" : "online";
  const past = isPast ? await readPast(own.offline, view, request.key, at) : null;
  const known = isPast ? past : row;
  const limits = { ttlMs: view.ttlMs, maxLagMs: Number.POSITIVE_INFINITY };
  const { freshness } = judgeFreshness({ row: known, progress }, at, limits);
  // What is older than the ttl is not served at all.
  if (known === null || freshness === "MISSING") return { ...answer, ...nothing, source };
  const found = past?.features ?? featureValues(view, known, at);
  const values = new Map(
    featureColumns(view).map(({ column }, index) => [column, jsonValue(found[index] ?? null)]),
  );
  const isFilled = isServed(plan);
  return {
    ...answer,
    source,
    freshness,
    asOf: known.asOf,
    validUntil: finite(known.validUntil),
    features: [
      ...featureColumns(newest).map(({ column: name }) => ({
        name,
        completeSince: completeSince(plan, name),
        filled: isFilled,
        value: values.get(name) ?? null,
      })),
      ...filling.map((name) => ({ name, completeSince: null, filled: false, value: null })),
    ],
  };
}

/** The layout of a view that has all its columns right at an event time, UTC ms; null: now. */
function servedAt(
  layout: Pick<Plan, "growth" | "widens"> & { readonly view: FeatureViewSpec },
  at: number | null,
): { readonly view: FeatureViewSpec } {
  const from = takesOverAt(layout);
  if (at === null || from === null || at >= from || layout.widens === undefined) return layout;
  return servedAt(layout.widens, at);
}

const nothing = { freshness: "MISSING", asOf: null, validUntil: null, features: [] } as const;

interface FoundView {
  readonly view: FeatureViewSpec;
  readonly plan: Plan;
  /** Columns that it gets once they are filled. */
  readonly filling: readonly string[];
}

/** The newest version where none is named, in its newest layout that is served. */
function findView(
  plans: readonly Plan[],
  { view: asked, key, topology }: FeatureRequest,
): FoundView {
  const only = topology === null ? null : namedTopology(plans, topology).name;
  const asking = plans.filter((plan) => only === null || topologyOf(plan) === only);
  const all = asking.flatMap((plan) => stepsOf(plan, "view").map((view) => ({ view, plan })));
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
    const ids = all.map(({ view }) => viewId(view));
    const near = nearest(asked, [...ids, ...all.map(({ view }) => view.name)]);
    throw new MillraceError("VIEW_UNKNOWN", { view: asked, near, known: ids.join(", ") });
  }
  const owners = [...new Set(named.map(({ plan }) => topologyOf(plan)))];
  if (owners.length > 1) {
    throw new MillraceError("VIEW_AMBIGUOUS", { view: asked, topologies: owners.join(", ") });
  }
  const { view } = found;
  if (key.length !== view.keyFields.length) {
    throw new MillraceError("VIEW_KEY_INVALID", {
      view: viewId(view),
      fields: view.keyFields.join(" "),
      given: key.length,
    });
  }
  const columns = new Set(featureColumns(view).map(({ column }) => column));
  const next = all.filter(
    (each) =>
      viewId(each.view) === viewId(view) &&
      topologyOf(each.plan) === topologyOf(found.plan) &&
      layoutOf(each.view) > layoutOf(view),
  );
  const filling = next
    .flatMap((each) => featureColumns(each.view).map(({ column }) => column))
    .filter((column) => !columns.has(column));
  return { ...found, filling };
}

/** The row that held at an instant: the last of those known before it. */
async function readPast(
  offline: Pick<OfflineStore, "query">,
  view: FeatureViewSpec,
  key: readonly string[],
  at: number,
): Promise<PastRow | null> {
  const columns = featureColumns(view);
  const where = view.keyFields.map(
    (field, index) => `${snakeCase(field)} = ${quoteText(key[index] ?? "")}`,
  );
  const [row] = await offline.query<Record<string, number | string | null>>(
    `SELECT toUnixTimestamp64Milli(as_of) AS "asOf",
      toUnixTimestamp64Milli(valid_until) AS "validUntil", seq, served,
      ${columns.map(storedSql).join(", ")}
    FROM ${viewTable(view)}
    WHERE ${where.join(" AND ")} AND as_of < ${sqlTime(at)}
    ORDER BY as_of DESC, seq DESC LIMIT 1`,
  );
  if (row === undefined) return null;
  const number = (name: string) => (row[name] == null ? Number.NaN : Number(row[name]));
  return {
    served: number("served"),
    seq: number("seq"),
    asOf: number("asOf"),
    validUntil: number("validUntil"),
    values: noNumbers,
    features: columns.map(({ column, aggregate: { output } }) => {
      if (isValueOutput(output)) return storedValue(output, row[column] ?? null);
      const value = valueAt(output, number(column), at);
      return Number.isNaN(value) ? null : value;
    }),
  };
}

/** A row of the offline store, which says what its features are at the instant. */
interface PastRow extends FeatureRow {
  readonly features: readonly Scalar[];
}

const noNumbers = new Float64Array();

/** A value as `storedSql` reads it. */
function storedValue(output: ValueOutput, stored: number | string | null): Scalar {
  if (stored === null || output === "text") return stored;
  if (output === "boolean") return Number(stored) === 1;
  const whole = BigInt(stored);
  return whole === BigInt(Number(whole)) ? Number(whole) : whole;
}

/** A column as a row holds it; whole numbers of 64 bits as texts, for JSON has doubles alone. */
function storedSql({ column, aggregate }: FeatureColumn): string {
  const name = quoteName(column);
  switch (aggregate.output) {
    case "since":
      return `toUnixTimestamp64Milli(${name}) AS ${name}`;
    case "timestamp":
      return `toString(toUnixTimestamp64Milli(${name})) AS ${name}`;
    case "integer":
      return `toString(${name}) AS ${name}`;
    default:
      return name;
  }
}

/** A whole number that no double holds as the text of its digits; no infinity and no NaN. */
function jsonValue(value: Scalar): number | string | boolean | null {
  if (typeof value === "bigint") return String(value);
  return typeof value === "number" ? finite(value) : value;
}

/** JSON knows no infinity and no NaN. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
