import { areaUnderRocOf } from "../../processors/drift/auc.ts";
import type { TrainingRows } from "../../processors/train/training-rows.ts";
import type { TopologyStores } from "../../runtime/hosting/stack.ts";
import { loadOnnxModel, type OnnxModel } from "../../runtime/services/score/onnx-model.ts";
import { TrainingRowDecoder } from "../../runtime/services/train/training-row-decoder.ts";
import type { OutcomeFacts, PredictionFacts } from "../../schemas/plan.ts";

/** Rows scored in one run. */
const runRows = 4096;

/** AUC of a model; NaN while all labels are equal. */
export interface Rescored {
  readonly byDay: ReadonlyMap<string, number>;
  /** Over the rows of all days. */
  readonly together: number;
}

/**
 * Scores the labelled predictions of UTC days once more, their features as they were served, with
 * another model. Memory: the features of one day.
 */
export async function rescore(
  { offline, artifacts }: Pick<TopologyStores, "offline" | "artifacts">,
  predictions: PredictionFacts,
  outcomes: OutcomeFacts,
  sha256: string,
  days: readonly string[],
): Promise<Rescored> {
  const model = await loadOnnxModel(await artifacts.get(sha256));
  try {
    const byDay = new Map<string, number>();
    const scores: Float64Array[] = [];
    const labels: Uint8Array[] = [];
    for (const day of days) {
      const decoder = new TrainingRowDecoder(predictions.features);
      await offline.queryStream(rowsSql(predictions, outcomes, day), (chunk) => decoder.add(chunk));
      const rows = decoder.rows();
      const answers = await scoreAll(model, rows);
      byDay.set(day, areaUnderRocOf(answers, rows.labels));
      scores.push(answers);
      labels.push(rows.labels.slice());
    }
    const together = areaUnderRocOf(
      scores.flatMap((each) => [...each]),
      labels.flatMap((each) => [...each]),
    );
    return { byDay, together };
  } finally {
    await model.release();
  }
}

/** In RowBinary as {@link TrainingRowDecoder} reads it: f64 knownAt, u8 label, f64 features. */
function rowsSql({ name, features }: PredictionFacts, outcomes: OutcomeFacts, day: string): string {
  const columns = features.map((each) => `toFloat64(ifNull(p.\`${each}\`, nan))`);
  return `SELECT toFloat64(toUnixTimestamp64Milli(p.known_at)), toUInt8(assumeNotNull(o.label)),
      ${columns.join(", ")}
    FROM ${name} AS p INNER JOIN ${outcomes.name} AS o
      ON p.flight_id = o.flight_id AND p.known_at = o.predicted_at
    WHERE toDate(p.known_at) = '${day}' AND toDate(o.predicted_at) = '${day}' AND o.labelled = 1`;
}

async function scoreAll(model: OnnxModel, { n, features, values }: TrainingRows) {
  const width = features.length;
  const scores = new Float64Array(n);
  for (let from = 0; from < n; from += runRows) {
    const to = Math.min(n, from + runRows);
    scores.set(await model.score(values.slice(from * width, to * width)), from);
  }
  return scores;
}
