import type { Broker } from "../../broker/broker.ts";
import { explanationFields } from "../../processors/scoring/outputs.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { type Plan, topologyOf } from "../../schemas/plan.ts";
import type { ScoringSpec } from "../../schemas/steps/scoring.ts";
import { servedTopic, shadowsTopic } from "../../schemas/topic-names.ts";
import type { EncodedEvent } from "../ingest/event-source.ts";
import { EventWriter } from "../ingest/event-writer.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import type { LookedUp } from "./feature-reads.ts";
import type { Asker, LoggedPrediction } from "./served-prediction.ts";

/** Bytes of predictions that may wait for Kafka; further requests are refused. */
const waitingBytes = 16 * 1024 * 1024;

/** Between two sends to Kafka at least, ms: what is answered meanwhile goes out together. */
const everyMs = 4;

/** The same of what shadows score, for which nobody waits. */
const shadows = { waitingBytes: 2 * 1024 * 1024, everyMs: 100 } as const;

/** What served it, as the log says. */
const origin = "gateway";

interface OpenLog {
  readonly topic: string;
  readonly partitions: number;
  readonly encoder: AvroEncoder;
  /** Of the prediction that is being encoded: one object, for there are many names. */
  readonly features: Record<string, number | null>;
}

/**
 * Writes the predictions of a gateway to the topics that their steps have for them. A pump of the
 * run stores them in ClickHouse, as it does all topics: while that is away they stand in Kafka, and
 * here no more than what Kafka has not acknowledged.
 */
export class PredictionLog {
  readonly #broker: Pick<Broker, "createTopics">;
  readonly #registry: Pick<SchemaRegistry, "register">;
  readonly #writer: EventWriter;
  readonly #shadowWriter: EventWriter;
  /** By topic. */
  readonly #open = new Map<string, Promise<OpenLog | null>>();
  readonly #bytes = new ByteWriter();

  constructor({
    broker,
    registry,
  }: {
    readonly broker: Pick<Broker, "createTopics" | "producer">;
    readonly registry: Pick<SchemaRegistry, "register">;
  }) {
    this.#broker = broker;
    this.#registry = registry;
    this.#writer = new EventWriter(broker, waitingBytes, everyMs);
    this.#shadowWriter = new EventWriter(broker, shadows.waitingBytes, shadows.everyMs);
  }

  /**
   * Resolves once Kafka has acknowledged all of them; of a step whose predictions are not kept at
   * once.
   *
   * @throws {MillraceError} GATEWAY_BUSY where too much waits; what the broker throws: they may
   * stand there all the same.
   */
  async write(
    plan: Plan,
    scoring: ScoringSpec,
    predictions: readonly LoggedPrediction[],
    asker: Asker,
  ): Promise<void> {
    const log = await this.#opened(plan, servedTopic(topologyOf(plan), scoring.name));
    if (log === null) return;
    const { features } = log;
    const records = predictions.map((made) => {
      for (let i = 0; i < scoring.features.length; i++) {
        const value = made.features[i] as number;
        features[scoring.features[i] as string] = Number.isNaN(value) ? null : value;
      }
      return this.#encoded(log, made, servedValue(scoring, made, asker, features));
    });
    await this.#writer.write(log.topic, records);
  }

  /**
   * Opens what the first prediction of a step would wait for; nothing is written. The topic is made
   * where a gateway is newer than its run.
   *
   * @throws what the broker and the schema registry throw.
   */
  async open(plan: Plan, { name }: Pick<ScoringSpec, "name">): Promise<void> {
    const log = await this.#opened(plan, servedTopic(topologyOf(plan), name));
    if (log !== null) await this.#writer.open();
  }

  /** Whether what shadows score beside predictions of a step is kept. */
  keepsShadows(plan: Plan, { name }: ScoringSpec): boolean {
    const topic = shadowsTopic(topologyOf(plan), name);
    return plan.stored.some((each) => each.topic === topic);
  }

  /**
   * Writes what shadows have scored, which the predictions tell.
   *
   * @throws as `write`
   */
  async writeShadows(
    plan: Plan,
    scoring: ScoringSpec,
    predictions: readonly LoggedPrediction[],
    asker: Asker,
  ): Promise<void> {
    const log = await this.#opened(plan, shadowsTopic(topologyOf(plan), scoring.name));
    if (log === null) return;
    const records = predictions.map((made) =>
      this.#encoded(log, made, answerValue(scoring, made, asker, null)),
    );
    await this.#shadowWriter.write(log.topic, records);
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#writer.close();
    await this.#shadowWriter.close();
  }

  async #opened(plan: Plan, name: string): Promise<OpenLog | null> {
    const opening = this.#open.get(name) ?? this.#openLog(plan, name);
    this.#open.set(name, opening);
    opening.catch(() => this.#open.delete(name));
    return await opening;
  }

  async #openLog(plan: Plan, topic: string): Promise<OpenLog | null> {
    const values = plan.stored.find((each) => each.topic === topic)?.values;
    const spec = plan.topics.find((each) => each.name === topic);
    if (values === undefined || !("schema" in values) || spec === undefined) return null;
    // A gateway may be newer than the run that makes the topics.
    await this.#broker.createTopics([spec]);
    const id = await this.#registry.register(`${topic}-value`, values.schema);
    const { partitions } = spec;
    return { topic, partitions, encoder: new AvroEncoder(values.schema, id), features: {} };
  }

  #encoded(
    { partitions, encoder }: OpenLog,
    { id, predictedAt }: LoggedPrediction,
    value: object,
  ): EncodedEvent {
    this.#bytes.reset();
    encoder.encode(value, this.#bytes);
    return {
      partition: partitionOf(id, partitions),
      key: Buffer.from(id, "utf8"),
      value: this.#bytes.take(),
      timestamp: predictedAt,
    };
  }
}

/**
 * Who answered what, and what is to be told beside it. In one literal: V8 makes a hidden class for
 * each object that another one is spread into and is then added to.
 */
function answerValue(
  { keyField, keyType, model }: ScoringSpec,
  { id, eventTime, predictedAt, probability, version, told }: LoggedPrediction,
  { requestId }: Asker,
  beside: object | null,
): object {
  return {
    [keyField]: keyType === "long" ? longOf(id) : id,
    eventTime,
    servedAt: predictedAt,
    probability,
    fallback: version === null,
    model: model.name,
    version,
    origin,
    requestId,
    ...told,
    ...beside,
  };
}

function servedValue(
  scoring: ScoringSpec,
  made: LoggedPrediction,
  asker: Asker,
  features: OpenLog["features"],
): object {
  return answerValue(scoring, made, asker, {
    fallbackReason: made.fallbackReason,
    incomplete: made.incomplete,
    latencyMs: made.latencyMs,
    featuresAsOf: made.featuresAsOf,
    status: worstOf(made.lookedUp),
    caller: asker.user,
    features,
    ...(made.explanation !== null && explanationFields(made.explanation)),
  });
}

/** A whole number is a bigint where no double is exact. */
function longOf(id: string): number | bigint {
  const near = Number(id);
  return Number.isSafeInteger(near) ? near : BigInt(id);
}

/** A row that may not be the one in force says more against a prediction than none. */
function worstOf(lookedUp: readonly LookedUp[]): LookedUp["status"] {
  const all = new Set(lookedUp.map(({ status }) => status));
  if (all.has("STALE")) return "STALE";
  return all.has("MISSING") ? "MISSING" : "FRESH";
}
