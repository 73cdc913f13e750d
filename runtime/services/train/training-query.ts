import { snakeCase } from "../../../schemas/feature-view.ts";
import type { OutcomeFacts, PredictionFacts } from "../../../schemas/plan.ts";
import { quoteName } from "../../../schemas/sql-text.ts";

/** Which outcomes a training takes; the offline views have the names of their steps. */
export interface TrainingRange {
  readonly predictions: PredictionFacts;
  readonly outcomes: OutcomeFacts;
  /** Outcomes that count as known before it, UTC ms. */
  readonly cutoff: number;
  /** And not longer before it than this. */
  readonly overMs: number;
}

/** A seeded sample: rows whose hash falls below share. */
export interface TrainingSample {
  readonly seed: number;
  /** In (0, 1]; 1 takes every row. */
  readonly share: number;
}

const sampleBuckets = 1_000_000;

/** Counts the outcomes of a range whose label is known: one row `{ n }`. */
export function trainingCountSql(range: TrainingRange): string {
  return `SELECT toUInt32(count()) AS n FROM (${labelledOutcomes(range)})`;
}

/**
 * The training rows of a range, the features as served joined with their labels, ordered by when
 * the outcome counts as known and by id. In RowBinary a row is f64 of that instant, u8 label,
 * features × f64 (NaN: null).
 */
export function trainingRowsSql(range: TrainingRange, sample: TrainingSample): string {
  const { predictions, outcomes } = range;
  const id = quoteName(snakeCase(predictions.keyField));
  const features = predictions.features.map(
    (name) => `toFloat64(ifNull(p.${quoteName(name)}, nan))`,
  );
  const earliest = range.cutoff - range.overMs - outcomes.withinMs;
  const where = [`p.known_at >= ${instant(earliest)}`, `p.known_at < ${instant(range.cutoff)}`];
  if (sample.share < 1) {
    const buckets = Math.floor(sample.share * sampleBuckets);
    where.push(`cityHash64(p.${id}, ${sample.seed}) % ${sampleBuckets} < ${buckets}`);
  }
  return [
    "SELECT toFloat64(toUnixTimestamp64Milli(o.outcome_known_at)), o.outcome_label,",
    features.join(", "),
    `FROM ${quoteName(predictions.name)} AS p`,
    `INNER JOIN (${labelledOutcomes(range)}) AS o`,
    `ON p.${id} = o.outcome_id AND p.known_at = o.outcome_predicted_at`,
    `WHERE ${where.join(" AND ")}`,
    `ORDER BY o.outcome_known_at, p.${id}`,
  ].join(" ");
}

function labelledOutcomes({ predictions, outcomes, cutoff, overMs }: TrainingRange): string {
  const knownAt = countsFrom(outcomes);
  return [
    `SELECT ${quoteName(snakeCase(predictions.keyField))} AS outcome_id,`,
    `predicted_at AS outcome_predicted_at, ${knownAt} AS outcome_known_at,`,
    "toUInt8(assumeNotNull(label)) AS outcome_label",
    `FROM ${quoteName(outcomes.name)}`,
    "WHERE label IS NOT NULL",
    `AND ${knownAt} < ${instant(cutoff)} AND ${knownAt} >= ${instant(cutoff - overMs)}`,
  ].join(" ");
}

/**
 * From when on an outcome counts: once it is known. Where one without a label is negative,
 * each once its wait is over: of the newest predictions only those are known before that have a
 * label, and a model would learn to tell the days apart.
 */
function countsFrom({ unlabelled, withinMs }: OutcomeFacts): string {
  return unlabelled === "negative"
    ? `predicted_at + toIntervalMillisecond(${withinMs})`
    : "known_at";
}

function instant(ms: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${Math.round(ms)}), 'UTC')`;
}
