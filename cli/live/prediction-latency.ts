import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { AvroDecoder } from "../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../runtime/schema-registry/registry.ts";
import type { AvroSchema, Plan } from "../../schemas/plan.ts";
import { predictionsOf } from "../../schemas/plan-facts.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

/** What is known so far, as it is kept between starts. */
export interface LatencyRecord {
  /** By topic the next offset of each partition. */
  readonly offsets: Readonly<Record<string, readonly number[]>>;
  readonly histogram: { readonly counts: readonly number[]; readonly maxMs: number };
}

export interface PredictionLatencyOptions {
  readonly plans: readonly Plan[];
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  /** @default nothing was seen before */
  readonly before?: LatencyRecord | null;
  /** Told of each prediction: event time and when it was seen, UTC ms. @default nobody */
  readonly onPrediction?: (eventTime: number, seenAt: number) => void;
  /** UTC ms. @default Date.now */
  readonly now?: () => number;
}

const fetchBytes = 4 * 1024 * 1024;
/** How long a fetch waits for predictions, ms. */
const waitMs = 1_000;
/** Time before it looks again after an error, ms. */
const retryMs = 500;

/** A topic of predictions. */
interface Predictions {
  readonly decoder: AvroDecoder;
  readonly offsets: number[];
}

/** What is read of a prediction: of many, the other fields would cost more than they say. */
function timesOf(schema: AvroSchema): AvroSchema {
  return { ...schema, fields: schema.fields.filter(({ name }) => name === "eventTime") };
}

/**
 * Measures how long it takes from an event to its committed prediction: from the event time of the
 * record until a consumer at read_committed in this process has the record.
 */
export class PredictionLatency {
  readonly histogram: LatencyHistogram;
  readonly #options: PredictionLatencyOptions;
  readonly #topics: ReadonlyMap<string, Predictions>;
  readonly #reader = new RecordReader();
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  private constructor(options: PredictionLatencyOptions, topics: ReadonlyMap<string, Predictions>) {
    this.#options = options;
    this.#topics = topics;
    const { counts = [], maxMs = 0 } = options.before?.histogram ?? {};
    this.histogram = new LatencyHistogram(counts, maxMs);
  }

  /**
   * Goes on where the record before ended, else at the start of the topics. Without predictions
   * there is nothing to measure.
   */
  static start(options: PredictionLatencyOptions): PredictionLatency {
    const topics = new Map<string, Predictions>();
    for (const plan of options.plans) {
      const predictions = new Set(predictionsOf(plan).map(({ topic }) => topic));
      for (const output of plan.subtopologies.flatMap(({ outputs }) => outputs)) {
        if (output.kind !== "topic" || !predictions.has(output.topic)) continue;
        const before = options.before?.offsets[output.topic];
        topics.set(output.topic, {
          decoder: new AvroDecoder(options.registry, timesOf(output.schema)),
          offsets: Array.from({ length: plan.partitions }, (_, p) => before?.[p] ?? 0),
        });
      }
    }
    const latency = new PredictionLatency(options, topics);
    if (topics.size > 0) latency.#running = latency.#run();
    return latency;
  }

  get record(): LatencyRecord {
    const offsets = [...this.#topics].map(([topic, { offsets }]) => [topic, [...offsets]]);
    return { offsets: Object.fromEntries(offsets), histogram: this.histogram.toJSON() };
  }

  /** Stops; what is committed by now is measured first, if it can be read. */
  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return await this.#running;
    this.#stop.abort();
    this.#running = this.#running.then(() => this.#readRest());
    await this.#running;
  }

  async #readRest(): Promise<void> {
    try {
      while ((await this.#look(0)) > 0);
    } catch {
      // The next start reads it.
    }
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#look(waitMs);
      } catch {
        // The run itself says what is wrong with the broker.
        await sleep(retryMs, undefined, { signal: this.#stop.signal }).catch(() => {});
      }
    }
  }

  /** Reads what is there; returns how many predictions that were. */
  async #look(maxWaitMs: number): Promise<number> {
    const partitions = [...this.#topics].flatMap(([topic, { offsets }]) =>
      offsets.map((offset, partition) => ({ topic, partition, offset, maxBytes: fetchBytes })),
    );
    if (partitions.length === 0) return 0;
    const { broker, now = Date.now, onPrediction } = this.#options;
    const isolation = "read_committed";
    const fetched = await broker.fetch({ partitions, isolation, maxWaitMs, maxBytes: fetchBytes });
    const seenAt = now();
    let read = 0;
    for (const each of fetched) {
      const reader = this.#reader;
      const predictions = this.#topics.get(each.topic);
      if (predictions === undefined) continue;
      reader.open(each, isolation);
      while (reader.next()) {
        const { buffer, valueStart, valueEnd } = reader;
        const value = await predictions.decoder.decodeAwaiting(buffer, valueStart, valueEnd);
        const eventTime = Number(value["eventTime"]);
        this.histogram.add(seenAt - eventTime);
        onPrediction?.(eventTime, seenAt);
        read++;
      }
      predictions.offsets[each.partition] = Math.max(each.offset, reader.nextOffset);
    }
    return read;
  }
}
