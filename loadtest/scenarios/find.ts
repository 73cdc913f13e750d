import type { TopologyStores } from "../../runtime/hosting/stack.ts";
import { type OutcomeFacts, type Plan, type PredictionFacts, stepsOf } from "../../schemas/plan.ts";
import { outcomesOf, predictionsOf } from "../../schemas/plan-facts.ts";
import type { TrainingSpec } from "../../schemas/steps/training.ts";
import type { DayFinding, Findings, ModelFinding, WindowFinding } from "./findings.ts";
import { rescore } from "./rescoring.ts";
import { disturbedFrom } from "./scenarios.ts";

type Offline = TopologyStores["offline"];
type ModelRow = Omit<ModelFinding, "firstDeparture" | "lastDeparture"> & {
  readonly sha256: string;
};

const ms = (column: string) => `toUnixTimestamp64Milli(${column})`;

/**
 * Reads what a run that has ended left in its stores.
 *
 * @throws {Error} when the rows that a model says it was fitted on are not there.
 */
export async function findingsOf(
  plan: Pick<Plan, "name" | "steps">,
  stack: Pick<TopologyStores, "offline" | "artifacts">,
): Promise<Findings> {
  const [predictions] = predictionsOf(plan);
  const [outcomes] = outcomesOf(plan);
  const [training] = stepsOf(plan, "training");
  if (predictions === undefined || outcomes === undefined || training === undefined) {
    throw new RangeError(`${plan.name} does not score, label and train`);
  }
  const { offline } = stack;
  const models = await modelsOf(offline);
  const start = Date.parse(disturbedFrom);
  const old = models.findLast((each) => each.promoted && each.effectiveFrom < start);
  const days = await daysOf(offline, outcomes);
  const disturbed = days.map(({ day }) => day).filter((day) => day >= disturbedFrom);
  const rescored =
    old === undefined ? null : await rescore(stack, predictions, outcomes, old.sha256, disturbed);
  const explained: ModelFinding[] = [];
  for (const model of models) {
    explained.push(await withDepartures(offline, predictions, outcomes, training, model));
  }
  return {
    days: days.map((day) => ({ ...day, oldChampionAuc: rescored?.byDay.get(day.day) ?? null })),
    windows: await windowsOf(offline),
    models: explained,
    oldChampion: old === undefined ? null : old.version,
    oldChampionAuc: rescored?.together ?? null,
  };
}

async function modelsOf(offline: Offline): Promise<ModelRow[]> {
  return await offline.query<ModelRow>(
    `SELECT version, toBool(promoted) AS promoted, reason, ${ms("cutoff")} AS cutoff,
      ${ms("effective_from")} AS "effectiveFrom", trained_on AS "trainedOn",
      holdout_auc AS "holdoutAuc", champion_auc AS "championAuc", sha256
    FROM models AS m ORDER BY m.cutoff`,
  );
}

async function windowsOf(offline: Offline): Promise<WindowFinding[]> {
  const rows = await offline.query<Omit<WindowFinding, "auc"> & { readonly auc: number | null }>(
    `SELECT ${ms("window_start")} AS "windowStart", ${ms("window_end")} AS "windowEnd",
      ${ms("known_at")} AS "knownAt", rows, if(isNaN(statistic), NULL, statistic) AS auc,
      toBool(alarm) AS alarm
    FROM drift AS d WHERE kind = 'performance' ORDER BY d.window_start`,
  );
  return rows.map((row) => ({ ...row, auc: row.auc ?? Number.NaN }));
}

async function daysOf(
  offline: Offline,
  { name }: OutcomeFacts,
): Promise<Omit<DayFinding, "oldChampionAuc">[]> {
  return await offline.query(
    `SELECT toString(toDate(predicted_at)) AS day, avg(label) AS "lateShare",
      toUInt32(countIf(fallback = 0)) AS scored,
      if(uniqExactIf(label, fallback = 0) = 2, arrayROCAUC(
        groupArrayIf(probability, fallback = 0), groupArrayIf(assumeNotNull(label), fallback = 0)
      ), NULL) AS "liveAuc"
    FROM ${name} WHERE labelled = 1 GROUP BY day ORDER BY day`,
  );
}

/** Departures of the rows that a model was fitted on: the first ones that its request covers. */
async function withDepartures(
  offline: Offline,
  predictions: PredictionFacts,
  outcomes: OutcomeFacts,
  training: TrainingSpec,
  { sha256: _, ...model }: ModelRow,
): Promise<ModelFinding> {
  const instant = (at: number) => `fromUnixTimestamp64Milli(toInt64(${at}), 'UTC')`;
  const from = model.cutoff - training.overMs;
  const [row] = await offline.query<{ n: number; first: number; last: number }>(
    `SELECT toUInt32(count()) AS n, min(departed) AS first, max(departed) AS last FROM (
      SELECT ${ms("p.event_time")} AS departed
      FROM ${outcomes.name} AS o INNER JOIN ${predictions.name} AS p
        ON p.flight_id = o.flight_id AND p.known_at = o.predicted_at
      WHERE o.labelled = 1 AND o.known_at >= ${instant(from)}
        AND o.known_at < ${instant(model.cutoff)}
        AND p.known_at >= ${instant(from - outcomes.withinMs)}
      ORDER BY o.known_at, o.flight_id LIMIT ${model.trainedOn})`,
  );
  if (row === undefined || row.n !== model.trainedOn) {
    throw new Error(`${model.version} says ${model.trainedOn} rows, ${row?.n} are found`);
  }
  const none = row.n === 0;
  return {
    ...model,
    firstDeparture: none ? Number.NaN : row.first,
    lastDeparture: none ? Number.NaN : row.last,
  };
}
