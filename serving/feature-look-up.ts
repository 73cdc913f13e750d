import type { Plan } from "../schemas/plan.ts";
import { readFeatureRows } from "./feature-rows.ts";
import type { FeatureAnswer, FeatureRequest } from "./inspector.ts";
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
  { view: asked, key, at, topology }: FeatureRequest,
): Promise<FeatureAnswer> {
  const reads = [{ view: asked, topology, keys: [key] }];
  const [found] = await readFeatureRows(plans, stack, { reads, at });
  const row = found?.rows[0];
  if (found === undefined || row === undefined) throw new RangeError("a read has an answer");
  const { values } = row;
  const features = found.features.map(({ name, completeSince, filled }, i) => {
    return { name, completeSince, filled, value: values?.[i] ?? null };
  });
  return {
    topology: found.topology,
    view: found.view,
    key: row.key,
    at: row.at,
    progress: row.progress,
    source: row.source,
    freshness: row.freshness,
    asOf: row.asOf,
    validUntil: row.validUntil,
    features: values === null ? [] : features,
  };
}
