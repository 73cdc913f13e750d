import { RowCodec } from "./row-codec.ts";
import type { RowField, ScalarType } from "./row-layout.ts";

/**
 * Payloads of inbox records, by input role. Little endian (`bytes.ts`); NaN stands for null. Each
 * is said once, for who writes it and who reads it: those of routes and the answers in
 * `input-payloads.ts`, read where they stand (`payload-view.ts`); the others here.
 *
 * | input | payload |
 * | --- | --- |
 * | dedup ← source, dedup, scoring, `update` | `recordInput` |
 * | view ← source, dedup, scoring, `update` | `updateInput` |
 * | view ← source, dedup, `lookup` | `lookupInput` |
 * | scoring ← view, `answer` | `answerLayout` |
 * | scoring ← source, dedup, `trigger` | `triggerInput` |
 * | scoring ← source, dedup, `label` (`update`) | `labelInput` |
 * | watch ← scoring, `prediction` (`trigger`) | `predictionLayout` |
 * | watch ← scoring, `outcome` (`trigger`) | `outcomeLayout` |
 * | training ← watch, `request` (`trigger`) | {@link RetrainRequest} by `json-payload.ts` |
 * | scoring, watch ← training, `model` (`update`) | {@link ModelAnswer} by `json-payload.ts` |
 *
 * Requests and models are texts of JSON, a few a day: they stand so in snapshots and in decisions,
 * which a later build reads with whatever fields it has by then.
 */

/** What a watch is told of each prediction, before its features. */
export interface PredictionPayload {
  readonly id: string;
  /** "" for the fallback. */
  readonly version: string;
  readonly probability: number | null;
}

export const predictionPayload = new RowCodec<PredictionPayload>({
  fields: [field("id", "text"), field("version", "text"), field("probability", "number", true)],
});

/** What a watch is told of each outcome. */
export interface OutcomePayload extends PredictionPayload {
  /** UTC ms. */
  readonly predictedAt: number;
  /** 1 or 0; null: no label came in time, or it is unknown. */
  readonly label: number | null;
}

export const outcomePayload = new RowCodec<OutcomePayload>({
  fields: [
    field("id", "text"),
    field("predictedAt", "number"),
    field("version", "text"),
    field("probability", "number", true),
    field("label", "number", true),
  ],
});

function field(name: string, type: ScalarType, nullable = false): RowField {
  return { name, type, nullable };
}

export interface RetrainRequest {
  /** `<watch>-<number>`, the number counting from 1: the version id derives from it. */
  readonly id: string;
  readonly number: number;
  /** Names of what asked, e.g. `every`, `drifted(performance)`. */
  readonly reasons: readonly string[];
  /** Event time: outcomes known before it are the training data; also the time of the request. */
  readonly cutoff: number;
}

/** Histogram of one feature over the training rows: the reference of drift detection. */
export interface ReferenceHistogram {
  readonly feature: string;
  /** Ascending inner edges; bin i holds edges[i−1] ≤ x < edges[i]. */
  readonly edges: readonly number[];
  /** edges.length + 2 counts: the bins, then missing. */
  readonly counts: readonly number[];
  /** Too few rows to judge by: no window is held against it. */
  readonly poor: boolean;
}

/** What a training ended with; a failed one is an answer too. */
export interface ModelAnswer {
  readonly requestId: string;
  /** `v<number>`, derived from the request. */
  readonly version: string;
  readonly promoted: boolean;
  /** Why it was promoted or not, for people. */
  readonly reason: string;
  /** Scorers use it for q > effectiveFrom. */
  readonly effectiveFrom: number;
  readonly cutoff: number;
  readonly trainedOn: number;
  readonly heldOut: number;
  /** NaN cannot stand in JSON: null where there is no model or no holdout. */
  readonly holdoutAuc: number | null;
  readonly championVersion: string | null;
  readonly championAuc: number | null;
  /** One-sided lower bound of the gain, at the level of its look; null: there was no comparison. */
  readonly gainLowerBound: number | null;
  /** sha256 of the ONNX artifact, "" when training failed. */
  readonly sha256: string;
  readonly reference: readonly ReferenceHistogram[];
}
