import { type Plan, stepsOf } from "../../schemas/plan.ts";
import { aucSql } from "../../serving/model-lines.ts";
import type { OfflineStore } from "../../sinks/store.ts";

/** AUC of the outcomes of the last day of event time, of the fallback and every model alike. */
export async function currentAuc(
  plans: readonly Plan[],
  offline: Pick<OfflineStore, "of">,
): Promise<number | null> {
  const [first] = plans.flatMap((plan) => stepsOf(plan, "label").map((label) => ({ plan, label })));
  if (first === undefined) return null;
  const { plan, label } = first;
  const [found] = await offline.of(plan.name).query<{ auc: number }>(
    `SELECT ${aucSql} AS auc FROM ${label.name}
    WHERE label IS NOT NULL
      AND known_at > (SELECT max(known_at) FROM ${label.name}) - INTERVAL 1 DAY`,
  );
  return found === undefined || found.auc < 0 ? null : found.auc;
}
