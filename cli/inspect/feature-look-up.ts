import { partitionOf } from "../../processors/murmur2.ts";
import type { Stack } from "../../runtime/application/stack.ts";
import { featureTable } from "../../runtime/offline/feature-tables.ts";
import { MillraceError } from "../../schemas/errors.ts";
import {
  entityKey,
  type FeatureViewSpec,
  featureColumns,
  snakeCase,
  viewId,
} from "../../schemas/feature-view.ts";
import type { Plan } from "../../schemas/plan.ts";
import { sqlText, sqlTime } from "../flights/sql.ts";
import type { FeatureAnswer, FeatureRequest } from "./inspector.ts";

/**
 * Features of one entity at one event time: the online store's row where it holds then, else the
 * offline store's, which knows the past.
 *
 * @throws {MillraceError} VIEW_UNKNOWN, VIEW_KEY_INVALID.
 */
export async function readFeatures(
  plan: Plan,
  stack: Stack,
  request: FeatureRequest,
): Promise<FeatureAnswer> {
  const view = findView(plan, request);
  const key = entityKey(request.key);
  const partition = partitionOf(key, plan.partitions);
  const [entry] = await stack.online.read([{ view: viewId(view), entityKey: key, partition }]);
  const progress = entry?.progress ?? Number.NEGATIVE_INFINITY;
  const at = request.at ?? progress;
  const row = entry?.row ?? null;
  const answer = { view: viewId(view), key, at: finite(at), progress: finite(progress) };
  const isPast = row !== null && at <= row.asOf;
  if (row === null || isPast) {
    const past = isPast ? await readPast(stack, view, request.key, at) : null;
    return past === null
      ? { ...answer, ...nothing, source: isPast ? "offline" : "online" }
      : { ...answer, ...past, source: "offline", freshness: freshness(view, past, at, progress) };
  }
  const validUntil = finite(row.validUntil);
  return {
    ...answer,
    source: "online",
    asOf: row.asOf,
    validUntil,
    freshness: freshness(view, { asOf: row.asOf, validUntil }, at, progress),
    features: featureColumns(view).map(({ column }, index) => ({
      name: column,
      value: finite(row.values[index] ?? Number.NaN),
    })),
  };
}

const nothing = { freshness: "MISSING", asOf: null, validUntil: null, features: [] } as const;

function findView(plan: Plan, { view: asked, key }: FeatureRequest): FeatureViewSpec {
  const named = plan.views.filter((view) => view.name === asked || viewId(view) === asked);
  const view = named.sort((a, b) => b.version - a.version)[0];
  if (view === undefined) {
    const known = plan.views.map(viewId).join(", ");
    throw new MillraceError("VIEW_UNKNOWN", { view: asked, known });
  }
  if (key.length !== view.keyFields.length) {
    throw new MillraceError("VIEW_KEY_INVALID", {
      view: viewId(view),
      fields: view.keyFields.join(" "),
      given: key.length,
    });
  }
  return view;
}

/** A row holds in `(asOf, validUntil]`; what is older than the ttl is not served at all. */
function freshness(
  view: FeatureViewSpec,
  { asOf, validUntil }: { asOf: number | null; validUntil: number | null },
  at: number,
  progress: number,
): FeatureAnswer["freshness"] {
  if (asOf === null || at - asOf > view.ttlMs) return "MISSING";
  if (progress < at || (validUntil !== null && at > validUntil)) return "STALE";
  return "FRESH";
}

type PastRow = Pick<FeatureAnswer, "asOf" | "validUntil" | "features">;

/** The row that held at an instant: the last of those known before it. */
async function readPast(
  { offline }: Stack,
  view: FeatureViewSpec,
  key: readonly string[],
  at: number,
): Promise<PastRow | null> {
  const columns = featureColumns(view).map(({ column }) => column);
  const where = view.keyFields.map(
    (field, index) => `${snakeCase(field)} = ${sqlText(key[index] ?? "")}`,
  );
  const [row] = await offline.query<Record<string, number | null>>(
    `SELECT toUnixTimestamp64Milli(as_of) AS "asOf",
      toUnixTimestamp64Milli(valid_until) AS "validUntil",
      ${columns.map((column) => `\`${column}\``).join(", ")}
    FROM millrace.${featureTable(view).name}
    WHERE ${where.join(" AND ")} AND as_of < ${sqlTime(at)}
    ORDER BY as_of DESC, seq DESC LIMIT 1`,
  );
  if (row === undefined) return null;
  return {
    asOf: Number(row["asOf"]),
    validUntil: row["validUntil"] === null ? null : Number(row["validUntil"]),
    features: columns.map((name) => ({ name, value: row[name] ?? null })),
  };
}

/** JSON knows no infinity and no NaN. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
