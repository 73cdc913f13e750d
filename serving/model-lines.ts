import { MillraceError } from "../schemas/errors.ts";
import { nearest } from "../schemas/nearest.ts";
import type { OutcomeFacts, Plan, PredictionFacts } from "../schemas/plan.ts";
import { modelNames, outcomesOf, predictionsFor } from "../schemas/plan-facts.ts";
import { quoteText } from "../schemas/sql-text.ts";
import type { ModelLine } from "./inspector.ts";
import type { ServedStack } from "./served-stack.ts";

/** Model versions and how each did on the records that it scored itself. */
export async function modelLines(
  plans: readonly Plan[],
  { offline }: ServedStack,
  names: readonly string[],
): Promise<ModelLine[]> {
  const known = plans.flatMap(modelNames);
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
  // Without anything that trains there is no table of models.
  if (!plan.topics.some(({ role }) => role === "models")) return [];
  const lines: ModelLine[] = [];
  for (const outcomes of outcomesOf(plan)) {
    const predictions = predictionsFor(plan, outcomes);
    const model = predictions?.model.name ?? "";
    if (names.length > 0 && !names.includes(model)) continue;
    lines.push(
      ...(await offline.query<ModelLine>(
        `SELECT topology, model.model AS model, version, toBool(promoted) AS promoted,
          toString(effective_from) AS "effectiveFrom",
          trained_on AS "trainedOn", holdout_auc AS "holdoutAuc", sha256, reason,
          toUInt32(live.scored) AS scored, live.auc AS "liveAuc"
        FROM models AS model
        LEFT JOIN (${liveSql(outcomes, aucSql(predictions))}) AS live USING (version)
        WHERE topology = ${quoteText(plan.name)} AND model = ${quoteText(model)}
        ORDER BY effective_from, version`,
      )),
    );
  }
  return lines;
}

/** By version: records scored, and AUC over those whose outcome is known. */
function liveSql({ name: outcomes, predictions }: OutcomeFacts, auc: string): string {
  return `SELECT version, scored, known.auc AS auc
    FROM (SELECT version, count() AS scored FROM ${predictions} GROUP BY version) AS served
    LEFT JOIN (SELECT version, ${auc} AS auc FROM ${outcomes} GROUP BY version) AS known
    USING (version)`;
}

/** How many of a group of outcomes are known: labelled, or taken for negative. */
export const knownSql = "countIf(label IS NOT NULL)";

/**
 * AUC of a group of outcomes, over those that are {@link knownSql known}, as training takes them;
 * null where these are all of one class. Ties count half.
 */
export function aucSql(predictions: Pick<PredictionFacts, "tells"> | undefined): string {
  // What a rule answered says nothing of the model.
  return aucOf(predictions?.tells?.includes("score") === true ? "score" : "probability");
}

/** As {@link aucSql}, of the scores in a column. */
export function aucOf(score: string): string {
  return `if(uniqExact(label) = 2,
  arrayROCAUC(groupArrayIf(${score}, label IS NOT NULL), groupArray(label)), NULL)`;
}
