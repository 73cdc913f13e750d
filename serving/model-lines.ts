import { MillraceError } from "../schemas/errors.ts";
import { scoringOf } from "../schemas/loop-steps.ts";
import { nearest } from "../schemas/nearest.ts";
import { type Plan, stepsOf } from "../schemas/plan.ts";
import { quoteText } from "../schemas/sql-text.ts";
import type { ModelLine } from "./inspector.ts";
import type { ServedStack } from "./served-stack.ts";

/** Model versions and how each did on the records that it scored itself. */
export async function modelLines(
  plans: readonly Plan[],
  { offline }: ServedStack,
  names: readonly string[],
): Promise<ModelLine[]> {
  const known = plans.flatMap((plan) => stepsOf(plan, "scoring").map(({ model }) => model.name));
  const name = names.find((each) => !known.includes(each));
  if (name !== undefined) {
    throw new MillraceError("LOOK_UNKNOWN", { what: "model", name, near: nearest(name, known) });
  }
  const lines: ModelLine[] = [];
  for (const plan of plans) lines.push(...(await linesOf(plan, offline.of(plan.name), names)));
  return lines;
}

async function linesOf(
  plan: Plan,
  offline: ServedStack["offline"],
  names: readonly string[],
): Promise<ModelLine[]> {
  // Only trainings have a table of models.
  if (stepsOf(plan, "training").length === 0) return [];
  const lines: ModelLine[] = [];
  for (const label of stepsOf(plan, "label")) {
    const scoring = scoringOf(plan, label);
    if (names.length > 0 && !names.includes(scoring?.model.name ?? "")) continue;
    lines.push(
      ...(await offline.query<ModelLine>(
        `SELECT topology, version, toBool(promoted) AS promoted,
          toString(effective_from) AS "effectiveFrom",
          trained_on AS "trainedOn", holdout_auc AS "holdoutAuc", sha256, reason,
          toUInt32(live.scored) AS scored, live.auc AS "liveAuc"
        FROM models AS model
        LEFT JOIN (${liveSql(label.name, label.predictions)}) AS live USING (version)
        WHERE topology = ${quoteText(plan.name)} AND model = ${quoteText(scoring?.model.name ?? "")}
        ORDER BY effective_from, version`,
      )),
    );
  }
  return lines;
}

/** By version: records scored, and AUC over those whose outcome is known. */
function liveSql(outcomes: string, predictions: string): string {
  return `SELECT version, scored, if(labelled.auc >= 0, labelled.auc, NULL) AS auc
    FROM (SELECT version, count() AS scored FROM ${predictions} GROUP BY version) AS served
    LEFT JOIN (
      SELECT version, ${aucSql} AS auc FROM ${outcomes} WHERE labelled = 1 GROUP BY version
    ) AS labelled USING (version)`;
}

/** AUC of a group; −1 where all labels are equal. Ties count half. */
export const aucSql = `if(uniqExact(label) = 2,
  arrayROCAUC(groupArray(probability), groupArray(assumeNotNull(label))), -1)`;
