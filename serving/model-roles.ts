import { MillraceError } from "../schemas/errors.ts";
import { type OutcomeFacts, type Plan, type PredictionFacts, topologyOf } from "../schemas/plan.ts";
import { outcomesFor, predictionsOf } from "../schemas/plan-facts.ts";
import { shadowsTopic } from "../schemas/topic-names.ts";
import type { OfflineStore } from "../sinks/store.ts";
import { aucOf, aucSql, knownSql } from "./model-lines.ts";

/** How a version did in a role. */
export interface RoleLine {
  /** Step that scores. */
  readonly step: string;
  /** `champion`, `challenger` or `shadow`. */
  readonly role: string;
  /** Whose records: the `stream`'s; of shadows also those that a `gateway` was asked with. */
  readonly from: string;
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
 * @throws {MillraceError} MODEL_UNROUTED where no step that is routed scores by it; MODEL_UNJUDGED
 * where none of those has outcomes.
 */
export async function modelRoles(
  plan: Plan,
  model: string,
  offline: Pick<OfflineStore, "query">,
): Promise<RoleLine[]> {
  const routed = predictionsOf(plan).filter(
    ({ model: of, routing }) => of.name === model && routing !== undefined,
  );
  const [first] = routed;
  if (first === undefined) {
    const wanted = 'routed: { by: "<field>" }';
    throw new MillraceError("MODEL_UNROUTED", { model, wanted });
  }
  const judged = routed.flatMap((predictions) => {
    const outcomes = outcomesFor(plan, predictions);
    return outcomes === undefined ? [] : [{ predictions, outcomes }];
  });
  if (judged.length === 0) throw new MillraceError("MODEL_UNJUDGED", { model, step: first.name });
  const lines: RoleLine[] = [];
  for (const { predictions, outcomes } of judged) {
    const topic = shadowsTopic(topologyOf(plan), predictions.name);
    const view = plan.stored.find((each) => each.topic === topic)?.table?.view ?? null;
    const sql = rolesSql(predictions, outcomes, view);
    const rows = await offline.query<Omit<RoleLine, "step">>(sql);
    lines.push(...rows.map((row) => ({ step: predictions.name, ...row })));
  }
  return lines;
}

/** @param shadows - view of what shadows scored beside the answers of gateways; null: none. */
function rolesSql(
  predictions: PredictionFacts,
  { name }: OutcomeFacts,
  shadows: string | null,
): string {
  const counted = `toFloat64(count()) AS outcomes, toFloat64(${knownSql}) AS known`;
  const answered = aucSql(predictions);
  const beside = (of: string, from: string, where: string) => `
    SELECT 'shadow' AS role, '${of}' AS "from", assumeNotNull(shadow_version) AS who, ${counted},
      ${aucOf("shadow_score")} AS auc, ${answered} AS "answeredAuc"
    FROM ${from} WHERE shadow_score IS NOT NULL ${where} GROUP BY shadow_version`;
  // Without an outcome yet there is nothing to judge.
  const gateways =
    shadows === null
      ? ""
      : `UNION ALL ${beside("gateway", `${shadows}_outcomes`, "AND outcome_known_at IS NOT NULL")}`;
  return `SELECT role, "from", who AS version, outcomes, known, auc, "answeredAuc" FROM (
    SELECT role, 'stream' AS "from", assumeNotNull(version) AS who, ${counted}, ${answered} AS auc,
      CAST(NULL, 'Nullable(Float64)') AS "answeredAuc"
    FROM ${name} WHERE version IS NOT NULL GROUP BY role, version
    UNION ALL ${beside("stream", name, "")} ${gateways}
  ) ORDER BY role, who, "from" DESC`;
}
