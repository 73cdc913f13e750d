import type { Plan } from "../../schemas/plan.ts";
import { outcomesOf, predictionsFor } from "../../schemas/plan-facts.ts";
import { aucSql } from "../../serving/model-lines.ts";
import type { OfflineStore } from "../../sinks/store.ts";

/** AUC of the outcomes of the last day of event time, of the fallback and every model alike. */
export async function currentAuc(
  plans: readonly Plan[],
  offline: Pick<OfflineStore, "of">,
): Promise<number | null> {
  const [first] = plans.flatMap((plan) =>
    outcomesOf(plan).map((outcomes) => {
      return { plan, name: outcomes.name, predictions: predictionsFor(plan, outcomes) };
    }),
  );
  if (first === undefined) return null;
  const { plan, name, predictions } = first;
  const [found] = await offline.of(plan.name).query<{ auc: number | null }>(
    `SELECT ${aucSql(predictions)} AS auc FROM ${name}
    WHERE known_at > (SELECT max(known_at) FROM ${name}) - INTERVAL 1 DAY`,
  );
  return found?.auc ?? null;
}
