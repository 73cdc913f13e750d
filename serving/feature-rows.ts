import type { Scalar } from "../schemas/expression.ts";
import { featureValues } from "../schemas/feature-values.ts";
import {
  entityKey,
  type FeatureViewSpec,
  featureColumns,
  onlineName,
  viewId,
} from "../schemas/feature-view.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { type Plan, topologyOf } from "../schemas/plan.ts";
import { completeSince, isServed } from "../schemas/plan-names.ts";
import { judgeFreshness } from "../sinks/freshness.ts";
import { onlineViewOf } from "../sinks/online-namespace.ts";
import type { Freshness, OfflineStore, OnlineEntry, OnlineKey } from "../sinks/store.ts";
import { type PastRow, readPast } from "./past-rows.ts";
import type { ServedStack } from "./served-stack.ts";
import { type AskedView, checkKey, type FoundView, findView, servedAt } from "./served-view.ts";

/** A value as JSON has it: see `FeatureAnswer`. */
export type JsonValue = number | string | boolean | null;

/** Entities of one view that are asked for. */
export interface FeatureRead extends AskedView {
  /** Each: values of the key fields, in their order. */
  readonly keys: readonly (readonly string[])[];
}

export interface FeatureReads {
  readonly reads: readonly FeatureRead[];
  /** Event time of the look-up, UTC ms; null: of each row the progress of its view. */
  readonly at: number | null;
  /** How far a view's progress may lie behind `at` with its rows still FRESH, ms. @default 0 */
  readonly freshLagMs?: number;
}

/** What is known of the entities of one view. */
export interface ViewRows {
  readonly topology: string;
  /** `name@version`. */
  readonly view: string;
  readonly keyFields: readonly string[];
  /** In the order of the values of a row. */
  readonly features: readonly {
    readonly name: string;
    /** Event time from which on it is right, UTC ms; null: since the topology began. */
    readonly completeSince: number | null;
    /** False: what came before it was added is still being read; null in a view that stands. */
    readonly filled: boolean;
  }[];
  /** In the order of the keys. */
  readonly rows: readonly ServedRow[];
}

export interface ServedRow {
  /** Text of the entity. */
  readonly key: string;
  /** Null when nothing is known of the view's partition yet. */
  readonly at: number | null;
  readonly freshness: Exclude<Freshness, "DEFAULT">;
  /** The store that answered. */
  readonly source: "online" | "offline";
  /** How far the view's partition has come. */
  readonly progress: number | null;
  readonly asOf: number | null;
  readonly validUntil: number | null;
  /** Of the features in their order; null: MISSING. */
  readonly values: readonly JsonValue[] | null;
}

/** Stores that features are read from. */
export interface FeatureStores {
  readonly online: Pick<ServedStack["online"], "read">;
  /** By topology what answers queries of the past. */
  readonly offline: { of(topology: string): Pick<OfflineStore, "query"> };
}

/**
 * Features of entities of several views at one event time, in one round trip to the online store:
 * its rows where they hold then. Rows of the past come from the offline store, in one query a view.
 *
 * @throws {MillraceError} VIEW_UNKNOWN, VIEW_AMBIGUOUS, VIEW_KEY_INVALID.
 */
export async function readFeatureRows(
  plans: readonly Plan[],
  stack: FeatureStores,
  { reads, at, freshLagMs = 0 }: FeatureReads,
): Promise<ViewRows[]> {
  const asked = reads.map((read): Asked => {
    const found = findView(plans, read);
    for (const key of read.keys) checkKey(found.view, key);
    return { found, keys: read.keys, view: servedAt(found.view, found.plan, at) };
  });
  const keys = asked.flatMap(onlineKeys);
  const entries = keys.length === 0 ? [] : await stack.online.read(keys);
  let next = 0;
  const answers: ViewRows[] = [];
  for (const each of asked) {
    const own = entries.slice(next, next + each.keys.length);
    next += each.keys.length;
    answers.push(await viewRows(each, own, stack, { at, freshLagMs }));
  }
  return answers;
}

interface Asked {
  readonly found: FoundView;
  readonly keys: readonly (readonly string[])[];
  /** In the layout that answers. */
  readonly view: FeatureViewSpec;
}

function onlineKeys({ found: { plan }, keys, view }: Asked): OnlineKey[] {
  const name = onlineViewOf(topologyOf(plan), onlineName(view));
  return keys.map((key) => {
    const text = entityKey(key);
    return { view: name, entityKey: text, partition: partitionOf(text, plan.partitions) };
  });
}

async function viewRows(
  { found, keys, view }: Asked,
  entries: readonly OnlineEntry[],
  { offline }: Pick<FeatureStores, "offline">,
  when: { readonly at: number | null; readonly freshLagMs: number },
): Promise<ViewRows> {
  const { plan, filling } = found;
  const looked = keys.map((key, index) => {
    const { row, progress } = entries[index] ?? nothing;
    const at = when.at ?? progress;
    // A key that the online store has let go of may have a past, too.
    const isPast = row === null ? at < progress : at <= row.asOf;
    return { key, row, progress, at, isPast };
  });
  const pastOf = new Map<(typeof looked)[number], PastRow | null>();
  // Without a time asked for, each partition has its own.
  const pasts = looked.filter(({ isPast }) => isPast);
  for (const at of new Set(pasts.map((each) => each.at))) {
    const past = pasts.filter((each) => each.at === at);
    const own = past.map(({ key }) => key);
    const held = await readPast(offline.of(topologyOf(plan)), view, own, at);
    for (const [index, each] of past.entries()) pastOf.set(each, held[index] ?? null);
  }
  const placeOf = placesOf(found.view, view);
  const { freshLagMs } = when;
  const limits = { ttlMs: view.ttlMs, maxLagMs: Number.POSITIVE_INFINITY, freshLagMs };
  const rows = looked.map((each): ServedRow => {
    const { key, row, progress, at, isPast } = each;
    const before = pastOf.get(each) ?? null;
    const known = isPast ? before : row;
    const judged = judgeFreshness({ row: known, progress }, at, limits);
    // What is older than the ttl is not served at all.
    const held = judged.freshness === "MISSING" ? null : known;
    let values: JsonValue[] | null = null;
    if (held !== null) {
      values = jsonValues(before?.features ?? featureValues(view, held, at), placeOf);
      for (const _ of filling) values.push(null);
    }
    return {
      key: entityKey(key),
      at: finite(at),
      progress: finite(progress),
      source: isPast ? "offline" : "online",
      freshness: held === null ? "MISSING" : judged.freshness,
      asOf: held === null ? null : held.asOf,
      validUntil: held === null ? null : finite(held.validUntil),
      values,
    };
  });
  const served = servedFeatures(plan, found.view);
  const more = filling.map((name) => ({ name, completeSince: null, filled: false }));
  return {
    topology: topologyOf(plan),
    view: viewId(view),
    keyFields: view.keyFields,
    features: more.length === 0 ? served : [...served, ...more],
    rows,
  };
}

/**
 * By column of a view its place among those of the layout that answers; −1: it has none there.
 * Null: they are the same.
 */
function placesOf(view: FeatureViewSpec, layout: FeatureViewSpec): readonly number[] | null {
  if (view === layout) return null;
  const places = new Map(featureColumns(layout).map(({ column }, place) => [column, place]));
  return featureColumns(view).map(({ column }) => places.get(column) ?? -1);
}

/** Values as JSON has them, of those places; null: of all. */
function jsonValues(read: readonly Scalar[], places: readonly number[] | null): JsonValue[] {
  if (places === null) return read.map(jsonValue);
  return places.map((place) => jsonValue(read[place] ?? null));
}

function servedFeatures(plan: Plan, view: FeatureViewSpec): ViewRows["features"] {
  let known = featuresOf.get(plan);
  if (known === undefined) {
    known = new Map();
    featuresOf.set(plan, known);
  }
  let features = known.get(view);
  if (features === undefined) {
    const filled = isServed(plan);
    features = featureColumns(view).map(({ column: name }) => {
      return { name, completeSince: completeSince(plan, name), filled };
    });
    known.set(view, features);
  }
  return features;
}

/** A plan is a value, and asked for the features of its views by each read. */
const featuresOf = new WeakMap<Plan, Map<FeatureViewSpec, ViewRows["features"]>>();

const nothing: OnlineEntry = { row: null, progress: Number.NEGATIVE_INFINITY };

/** A whole number that no double holds as the text of its digits; no infinity and no NaN. */
function jsonValue(value: Scalar): JsonValue {
  if (typeof value === "bigint") return String(value);
  return typeof value === "number" ? finite(value) : value;
}

/** JSON knows no infinity and no NaN. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
