import { RowCodec } from "./row-codec.ts";
import type { RowField, ScalarType } from "./row-layout.ts";

/**
 * Payloads of inbox records, by input role. Little endian (`bytes.ts`); NaN stands for null. Those
 * with a name are rows of a layout. Vectors of numbers, and what stands before one in a record of
 * which there are most, are read where they are, without an object.
 *
 * | input | payload |
 * | --- | --- |
 * | dedup ← source, `update` | text value, f64 eventTime, f64 source partition, f64 source offset, the fields (`row-codec.ts`) |
 * | view ← source, dedup, scoring, `update` | text entityKey, f64 eventTime, n × f64 aggregate inputs (`aggregateInputs`), then those of other types, each as a field that may be null (`row-codec.ts`) |
 * | view ← source, `lookup` | text entityKey, u8 slot, text id (key of the triggering record) |
 * | scoring ← view, `answer` | text id, u8 slot, u8 incomplete (a wait for updates was ended), f64 asOf (knownAt of the newest record seen, −Infinity if none), n × f64 features, then those of other types (`valueLayout`) |
 * | scoring ← source, dedup, `trigger` | text id, f64 eventTime, f64 source offset, from dedup: f64 source partition, m × f64 request features, then the fields that predictions tell of (`keys`) |
 * | scoring ← source, `label` (`update`) | {@link labelPayload} |
 * | watch ← scoring, `prediction` (`trigger`) | {@link predictionPayload}, k × f64 features |
 * | watch ← scoring, `outcome` (`trigger`) | {@link outcomePayload} |
 * | training ← watch, `request` (`trigger`) | {@link RetrainRequest} by `json-payload.ts` |
 * | scoring, watch ← training, `model` (`update`) | {@link ModelAnswer} by `json-payload.ts` |
 */
export interface LabelPayload {
  readonly id: string;
  /** UTC ms. */
  readonly eventTime: number;
  /** 1 or 0; null: unknown. */
  readonly label: number | null;
}

export const labelPayload = new RowCodec<LabelPayload>({
  fields: [field("id", "text"), field("eventTime", "number"), field("label", "number", true)],
});

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
