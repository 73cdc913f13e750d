import type { ByteWriter } from "../../schemas/bytes.ts";
import { outcomePayload, predictionPayload } from "../../schemas/payload.ts";
import type { OutputSpec, Ports } from "../../schemas/plan.ts";
import type { ScoringOperator, ScoringSpec } from "../../schemas/steps/scoring.ts";
import type { Counters, Outbox } from "../processor.ts";
import { FanOut } from "../source/fan-out.ts";
import type { ToldExplanation } from "./explain/told-explanation.ts";
import { type Prediction, scoreOf } from "./label-join.ts";
import type { FallbackReason, ModelInForce } from "./model-register.ts";
import type { NotComputed } from "./native/native-model.ts";
import type { Routed } from "./router.ts";
import type { VectorBuffer } from "./vector-buffer.ts";

/** A prediction that waits for its model's answer. */
export interface DeferredPrediction {
  readonly kind: "prediction";
  readonly prediction: Prediction;
  readonly eventTime: number;
  readonly sourcePartition: number;
  readonly sourceOffset: number;
  /** −Infinity when no look-up has seen a record. */
  readonly featuresAsOf: number;
  /** Whether some features were not waited for. */
  readonly incomplete: boolean;
  /** Row in its vector buffer. */
  row: number;
  /** Null where a model answers. */
  fallbackReason: FallbackReason | null;
  /** The model that is asked; null: none is. */
  model: ModelInForce | null;
  /** Measured; 0 for the fallback. */
  latencyMs: number;
  /** Fields of its record that rules read; null: they read none. */
  readonly record: Readonly<Record<string, unknown>> | null;
  /** Features outside their range, as predictions tell them; null: none. */
  readonly flags: string | null;
  /** Null: its step is not routed. */
  readonly routed: Routed | null;
}

/** An outcome that waits behind the predictions before it. */
export interface DeferredOutcome {
  readonly kind: "outcome";
  readonly prediction: Prediction;
  readonly knownAt: number;
  /** 1, 0, or NaN: unknown. */
  readonly label: number;
  /** NaN when no label came in time. */
  readonly labelEventTime: number;
}

type Features = Readonly<Record<string, number | null>>;

/** Writes predictions and outcomes to their topics, to the watches and to whoever asks. */
export class ScoringOutputs {
  readonly #scoring: ScoringSpec;
  readonly #predictions: readonly number[];
  readonly #outcomes: readonly number[];
  readonly #watchPredictions: readonly number[];
  readonly #watchOutcomes: readonly number[];
  /** Null where no step asks for them. */
  readonly #asked: { readonly predictions: FanOut; readonly outcomes: FanOut } | null;
  readonly #partition: number;
  /** Every feature at null: a copy of it is faster than an object built name by name. */
  readonly #noFeatures: Features;
  /** The same by path, and the paths in the order of a vector. */
  readonly #noPaths: Features;
  readonly #paths: readonly string[];

  constructor(ports: Ports, { scoring, label, routes }: ScoringOperator, partition: number) {
    const { outputs } = ports;
    this.#scoring = scoring;
    this.#partition = partition;
    this.#asked =
      routes === undefined
        ? null
        : {
            predictions: new FanOut(routes.predictions, ports, []),
            outcomes: new FanOut(routes.outcomes, ports, []),
          };
    this.#predictions = indexes(outputs, (each) => isTopic(each, scoring.topic));
    this.#outcomes = indexes(outputs, (each) => isTopic(each, label?.topic));
    this.#watchPredictions = indexes(outputs, (each) => feeds(each, "predictions"));
    this.#watchOutcomes = indexes(outputs, (each) => feeds(each, "outcomes"));
    this.#noFeatures = Object.fromEntries(scoring.features.map((name) => [name, null]));
    this.#paths = scoring.features.map((name) => `features.${name}`);
    this.#noPaths = Object.fromEntries(this.#paths.map((path) => [path, null]));
  }

  /** Has whoever asks counted; ask again once the counters are restored. */
  findTallies(counters: Counters): void {
    this.#asked?.predictions.findTallies(counters, this.#partition);
    this.#asked?.outcomes.findTallies(counters, this.#partition);
  }

  /** @param explained - of a step that explains what models say. */
  prediction(
    deferred: DeferredPrediction,
    vectors: VectorBuffer,
    out: Outbox,
    explained: ToldExplanation | NotComputed | null = null,
  ): void {
    const { prediction, row } = deferred;
    const { width, values } = vectors;
    const start = row * width;
    for (const output of this.#predictions) {
      const features = filled(this.#noFeatures, this.#scoring.features, values, start);
      const value = this.#predictionValue(deferred, features, explained);
      out.publish(output, prediction.id, prediction.predictedAt, value);
    }
    if (this.#asked !== null) {
      const fields = this.#predictionFields(deferred, values, start);
      const { eventTime, sourcePartition: partition, sourceOffset: offset } = deferred;
      const { predictedAt: knownAt } = prediction;
      this.#asked.predictions.pass(fields, { fields, eventTime, knownAt, partition, offset }, out);
    }
    for (const output of this.#watchPredictions) {
      const writer = out.begin(output, 0, prediction.predictedAt);
      const { id, version } = prediction;
      predictionPayload.write(writer, { id, version, probability: scoreOf(prediction) });
      for (let i = start; i < start + width; i++) writer.f64(values[i] as number);
      this.#tellRole(writer, prediction);
      out.end();
    }
  }

  outcome(deferred: DeferredOutcome, out: Outbox): void {
    const { prediction, knownAt, label } = deferred;
    for (const output of this.#outcomes) {
      out.publish(output, prediction.id, knownAt, this.#outcomeValue(deferred));
    }
    if (this.#asked !== null) {
      const id = this.#key(prediction.id);
      const fields = { id, ...this.#outcomeValue(deferred), ...prediction.keys };
      const place = { partition: this.#partition, offset: -1 };
      this.#asked.outcomes.pass(fields, { fields, eventTime: knownAt, knownAt, ...place }, out);
    }
    for (const output of this.#watchOutcomes) {
      const writer = out.begin(output, 0, knownAt);
      const { id, version, predictedAt } = prediction;
      const probability = scoreOf(prediction);
      outcomePayload.write(writer, { id, version, predictedAt, probability, label });
      this.#tellRole(writer, prediction);
      out.end();
    }
  }

  /** To watches, which judge the champion by its own answers. */
  #tellRole(writer: ByteWriter, { told }: Prediction): void {
    if (this.#scoring.routing !== undefined) writer.u8(told?.role === "challenger" ? 1 : 0);
  }

  /** A prediction with its features and its keys by their paths. */
  #predictionFields(deferred: DeferredPrediction, values: Float64Array, start: number) {
    const { features: _, ...fields } = this.#predictionValue(deferred, this.#noFeatures, null);
    const { id, keys } = deferred.prediction;
    const byPath = filled(this.#noPaths, this.#paths, values, start);
    return { id: this.#key(id), ...fields, ...byPath, ...keys };
  }

  #predictionValue(
    deferred: DeferredPrediction,
    features: Features,
    explained: ToldExplanation | NotComputed | null,
  ) {
    const { prediction, featuresAsOf } = deferred;
    return {
      [this.#scoring.keyField]: this.#key(prediction.id),
      eventTime: deferred.eventTime,
      knownAt: prediction.predictedAt,
      probability: prediction.probability,
      fallback: prediction.version === "",
      fallbackReason: deferred.fallbackReason,
      model: this.#scoring.model.name,
      version: prediction.version === "" ? null : prediction.version,
      incomplete: deferred.incomplete,
      latencyMs: deferred.latencyMs,
      featuresAsOf: featuresAsOf === Number.NEGATIVE_INFINITY ? null : featuresAsOf,
      sourcePartition: deferred.sourcePartition,
      sourceOffset: deferred.sourceOffset,
      features,
      ...prediction.told,
      ...(explained !== null && explanationFields(explained)),
    };
  }

  #outcomeValue({ prediction, knownAt, label, labelEventTime }: DeferredOutcome) {
    const labelled = !Number.isNaN(labelEventTime);
    return {
      [this.#scoring.keyField]: this.#key(prediction.id),
      predictedAt: prediction.predictedAt,
      knownAt,
      labelled,
      label: Number.isNaN(label) ? null : label === 1,
      labelEventTime: labelled ? labelEventTime : null,
      probability: prediction.probability,
      fallback: prediction.version === "",
      model: this.#scoring.model.name,
      version: prediction.version === "" ? null : prediction.version,
      ...prediction.told,
    };
  }

  /** A whole number is a bigint where no double is exact. */
  #key(id: string): number | bigint | string {
    if (this.#scoring.keyType !== "long") return id;
    const near = Number(id);
    return Number.isSafeInteger(near) ? near : BigInt(id);
  }
}

/** A copy with the numbers of a vector, by their names; what is missing stays null. */
function filled(
  none: Features,
  names: readonly string[],
  values: Float64Array,
  start: number,
): Features {
  const features: Record<string, number | null> = { ...none };
  for (let i = 0; i < names.length; i++) {
    const value = values[start + i] as number;
    if (!Number.isNaN(value)) features[names[i] as string] = value;
  }
  return features;
}

/** How predictions tell an explanation, or why there is none. */
export function explanationFields(explained: ToldExplanation | NotComputed) {
  return "why" in explained
    ? { explanation: null, explanationReason: explained.why }
    : { explanation: explained, explanationReason: null };
}

function indexes(
  outputs: readonly OutputSpec[],
  wanted: (output: OutputSpec) => boolean,
): readonly number[] {
  return outputs.flatMap((output, index) => (wanted(output) ? [index] : []));
}

function isTopic(output: OutputSpec, topic: string | undefined): boolean {
  return output.kind === "topic" && output.topic === topic;
}

function feeds(output: OutputSpec, input: string): boolean {
  return output.kind === "inbox" && output.input === input;
}
