import { type Plan, stepsOf } from "../../schemas/plan.ts";
import { aucSql } from "../../serving/model-lines.ts";
import type { OfflineStore } from "../../sinks/store.ts";

/** AUC of the outcomes of the last day of event time, of the fallback and every model alike. */
export async function currentAuc(
  plans: readonly Plan[],
  offline: Pick<OfflineStore, "query">,
): Promise<number | null> {
  const label = plans.flatMap((plan) => stepsOf(plan, "label"))[0];
  if (label === undefined) return null;
  const [found] = await offline.query<{ auc: number }>(
    `SELECT ${aucSql} AS auc FROM millrace.${label.name}
    WHERE label IS NOT NULL
      AND known_at > (SELECT max(known_at) FROM millrace.${label.name}) - INTERVAL 1 DAY`,
  );
  return found === undefined || found.auc < 0 ? null : found.auc;
}
