import type { Stack } from "../runtime/hosting/stack.ts";
import type { Plan } from "../schemas/plan.ts";
import { quoteText } from "../sinks/sql-text.ts";
import type { ModelLine } from "./inspector.ts";

/** Model versions and how each did on the flights that it scored itself. */
export async function modelLines(plan: Plan, { offline }: Stack): Promise<ModelLine[]> {
  const lines: ModelLine[] = [];
  for (const label of plan.labels) {
    const scoring = plan.scorings.find(({ name }) => name === label.predictions);
    lines.push(
      ...(await offline.query<ModelLine>(
        `SELECT version, toBool(promoted) AS promoted, toString(effective_from) AS "effectiveFrom",
          trained_on AS "trainedOn", holdout_auc AS "holdoutAuc", sha256, reason,
          toUInt32(live.scored) AS scored, live.auc AS "liveAuc"
        FROM millrace.models AS model
        LEFT JOIN (${liveSql(label.name, label.predictions)}) AS live USING (version)
        WHERE topology = ${quoteText(plan.name)} AND model = ${quoteText(scoring?.model.name ?? "")}
        ORDER BY effective_from, version`,
      )),
    );
  }
  return lines;
}

/** By version: flights scored, and AUC over those whose outcome is known. */
function liveSql(outcomes: string, predictions: string): string {
  return `SELECT version, scored, if(labelled.auc >= 0, labelled.auc, NULL) AS auc
    FROM (SELECT version, count() AS scored FROM millrace.${predictions} GROUP BY version) AS served
    LEFT JOIN (
      SELECT version, ${aucSql} AS auc FROM millrace.${outcomes} WHERE labelled = 1 GROUP BY version
    ) AS labelled USING (version)`;
}

/** AUC of a group; −1 where all labels are equal. Ties count half. */
export const aucSql = `if(uniqExact(label) = 2,
  arrayROCAUC(groupArray(probability), groupArray(assumeNotNull(label))), -1)`;
