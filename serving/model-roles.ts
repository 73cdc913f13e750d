import { MillraceError } from "../schemas/errors.ts";
import type { OutcomeFacts, Plan, PredictionFacts } from "../schemas/plan.ts";
import { outcomesFor, predictionsOf } from "../schemas/plan-facts.ts";
import type { OfflineStore } from "../sinks/store.ts";
import { aucOf, aucSql, knownSql } from "./model-lines.ts";

/** How a version did in a role. */
export interface RoleLine {
  /** Step that scores. */
  readonly step: string;
  /** `champion`, `challenger` or `shadow`. */
  readonly role: string;
  readonly version: string;
  /** Outcomes of records that it scored. */
  readonly outcomes: number;
  /** Of these the known ones: labelled, or taken for negative. */
  readonly known: number;
  /** Over the known ones; null where these are all of one class. */
  readonly auc: number | null;
  /** Of a shadow: AUC of those that answered, over the same outcomes. */
  readonly answeredAuc: number | null;
}

/**
 * The versions of a model side by side, by what they did in each role.
 *
 * @throws {MillraceError} MODEL_UNROUTED where no step that is routed scores by it, or none whose
 * outcomes are known.
 */
export async function modelRoles(
  plan: Plan,
  model: string,
  offline: Pick<OfflineStore, "query">,
): Promise<RoleLine[]> {
  const routed = predictionsOf(plan).flatMap((predictions) => {
    const { model: of, routing } = predictions;
    const outcomes = outcomesFor(plan, predictions);
    const isAsked = of.name === model && routing !== undefined && outcomes !== undefined;
    return isAsked ? [{ predictions, outcomes }] : [];
  });
  if (routed.length === 0) {
    const wanted = 'routed: { by: "<field>" }';
    throw new MillraceError("MODEL_UNROUTED", { model, wanted });
  }
  const lines: RoleLine[] = [];
  for (const { predictions, outcomes } of routed) {
    const rows = await offline.query<Omit<RoleLine, "step">>(rolesSql(predictions, outcomes));
    lines.push(...rows.map((row) => ({ step: predictions.name, ...row })));
  }
  return lines;
}

function rolesSql(predictions: PredictionFacts, { name }: OutcomeFacts): string {
  const counted = `toFloat64(count()) AS outcomes, toFloat64(${knownSql}) AS known`;
  const answered = aucSql(predictions);
  return `SELECT role, who AS version, outcomes, known, auc, "answeredAuc" FROM (
    SELECT role, assumeNotNull(version) AS who, ${counted}, ${answered} AS auc,
      CAST(NULL, 'Nullable(Float64)') AS "answeredAuc"
    FROM ${name} WHERE version IS NOT NULL GROUP BY role, version
    UNION ALL
    SELECT 'shadow' AS role, assumeNotNull(shadow_version) AS who, ${counted},
      ${aucOf("shadow_score")} AS auc, ${answered} AS "answeredAuc"
    FROM ${name} WHERE shadow_score IS NOT NULL GROUP BY shadow_version
  ) ORDER BY role, who`;
}
