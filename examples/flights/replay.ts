import type { Broker, Producer, ProducerBatch } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../runtime/schema-registry/registry.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { watermark } from "../../schemas/generated.ts";
import { watermarksTopic } from "../../schemas/topic-names.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { arrival, departure } from "../../topologies/flights/generated.ts";
import { FlightBatches } from "./flight-batches.ts";
import type { FlightSource } from "./flight-source.ts";
import type { Injections } from "./injections.ts";
import {
  type PositionStore,
  positionOffset,
  type ReplayPosition,
  readPosition,
} from "./replay-position.ts";
import { departureKind, type ReplayStep, replaySteps } from "./replay-steps.ts";
import { addStep } from "./step-batches.ts";

/** The two source topics, in the order of their kinds. */
export const flightTopics = ["flights.departures", "flights.arrivals"] as const;

const positions: PositionStore = {
  group: "flights.replay",
  topic: watermarksTopic(plan.name, flightTopics[0]),
};

export interface ReplayOptions {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly flights: FlightSource;
  /** Partitions of the source topics, which exist already. */
  readonly partitions: number;
  /** Event time `[from, to)`, UTC ms. */
  readonly from: number;
  readonly to: number;
  readonly injections: Injections;
  /** The injections as text, by which a later run recognises them. */
  readonly injectText: string;
  /** Lateness of the sources, ms. */
  readonly latenessMs: number;
  /** Called after each transaction. @default nothing */
  readonly onProgress?: (progress: ReplayProgress) => void;
  /** Stops between two transactions. @default never */
  readonly signal?: AbortSignal;
}

export interface ReplayProgress {
  /** Event time up to which everything is sent. */
  readonly eventTime: number;
  /** Records sent since the beginning of the replay, earlier runs included. */
  readonly sent: number;
  /** Records sent by this run. */
  readonly sentNow: number;
  /** Share of `[from, to)` that is sent, 0 to 1. */
  readonly share: number;
}

export interface ReplayReport {
  /** Records by topic, earlier runs included. */
  readonly sent: Readonly<Record<string, number>>;
  /** Records of this run. */
  readonly sentNow: number;
  /** False when the signal stopped it before `to`. */
  readonly complete: boolean;
}

/** Lost transactions in a row after which a replay does not start over from its position. */
const maxRestarts = 5;

/**
 * Sends the flights of `[from, to)` to both topics, in steps of half an hour, each in one
 * transaction with its source watermarks and the position after it: killed and resumed, or run
 * twice, nothing is sent twice. A later `to` goes on where the earlier one ended.
 *
 * @throws {MillraceError} APPLICATION_REFUSED when the topics hold another start or injections;
 * PRODUCER_FENCED when another replay of the same topics takes over.
 */
export async function replayFlights(options: ReplayOptions): Promise<ReplayReport> {
  let sentNow = 0;
  for (let restarts = 0; ; restarts++) {
    let replay: Replay | null = null;
    try {
      replay = await Replay.open(options, sentNow);
      return await replay.run();
    } catch (error) {
      sentNow = replay?.sentNow ?? sentNow;
      if (replay?.hasCommitted === true) restarts = 0;
      if (!isLost(error) || restarts >= maxRestarts) throw error;
    } finally {
      await replay?.close();
    }
  }
}

function isLost(error: unknown): boolean {
  return error instanceof MillraceError && error.code === "TRANSACTION_OUTCOME_UNKNOWN";
}

class Replay {
  sentNow: number;
  /** Whether a transaction of it is known to stand. */
  hasCommitted = false;
  readonly #options: ReplayOptions;
  readonly #producer: Producer;
  readonly #batches: FlightBatches;
  readonly #watermarks: AvroEncoder[];
  #position: ReplayPosition;

  private constructor(
    options: ReplayOptions,
    producer: Producer,
    encoders: { flights: AvroEncoder[]; watermarks: AvroEncoder[] },
    position: ReplayPosition,
    sentNow: number,
  ) {
    this.#options = options;
    this.#producer = producer;
    this.#watermarks = encoders.watermarks;
    this.#position = position;
    this.sentNow = sentNow;
    const [departures, arrivals] = encoders.flights as [AvroEncoder, AvroEncoder];
    this.#batches = new FlightBatches(
      { name: flightTopics[0], encoder: departures },
      { name: flightTopics[1], encoder: arrivals },
      options.partitions,
    );
  }

  /** The new producer fences an older one, so the position read after it stands still. */
  static async open(options: ReplayOptions, sentNow: number): Promise<Replay> {
    const { broker, registry, from, injectText } = options;
    const encoders = {
      flights: [
        new AvroEncoder(departure, await registry.register(`${flightTopics[0]}-value`, departure)),
        new AvroEncoder(arrival, await registry.register(`${flightTopics[1]}-value`, arrival)),
      ],
      watermarks: await Promise.all(
        flightTopics.map(async (topic) => {
          const subject = `${watermarksTopic(plan.name, topic)}-value`;
          return new AvroEncoder(watermark, await registry.register(subject, watermark));
        }),
      ),
    };
    const producer = await broker.producer({
      transactionalId: positions.group,
      scope: {
        group: positions.group,
        topics: flightTopics.flatMap((topic) => [topic, watermarksTopic(plan.name, topic)]),
        offsetsOf: [positions.topic],
      },
    });
    try {
      const found = await readPosition(broker, positions, { from, inject: injectText });
      const position = found ?? (await firstPosition(options));
      const replay = new Replay(options, producer, encoders, position, sentNow);
      if (found === null) await replay.#announceStart();
      return replay;
    } catch (error) {
      await producer.close();
      throw error;
    }
  }

  async run(): Promise<ReplayReport> {
    while (true) {
      const [start, end] = this.#position.segment;
      if (start < end) {
        if (!(await this.#sendSegment())) return this.#report(false);
      } else if (end < this.#options.to) {
        this.#position = { ...this.#position, segment: [end, this.#options.to], next: end };
      } else return this.#report(true);
    }
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }

  /** A first watermark at the start, before any record. */
  async #announceStart(): Promise<void> {
    const [from] = this.#position.segment;
    await this.#transaction([], from, this.#position);
  }

  /** Sends the rest of the open segment; false when stopped before its end. */
  async #sendSegment(): Promise<boolean> {
    const { flights, injections, latenessMs, signal } = this.#options;
    const { segment, next } = this.#position;
    const [from, to] = segment;
    const resumeAt = next === "last" ? Number.POSITIVE_INFINITY : next;
    const steps = replaySteps(flights, { from, to, injections, latenessMs }, resumeAt);
    for await (const step of steps) {
      if (signal?.aborted) return false;
      await this.#sendStep(step, to);
    }
    return true;
  }

  async #sendStep(step: ReplayStep, segmentEnd: number): Promise<void> {
    const sent = { ...this.#position.sent };
    for (const kind of step.events.kinds) {
      const topic = flightTopics[kind === departureKind ? 0 : 1];
      sent[topic] = (sent[topic] ?? 0) + 1;
    }
    addStep(this.#batches, step.events, this.#options.partitions);
    await this.#transaction(this.#batches.take(), step.watermark, {
      ...this.#position,
      sent,
      segment: step.next === null ? [segmentEnd, segmentEnd] : this.#position.segment,
      next: step.next === null ? segmentEnd : Number.isFinite(step.next) ? step.next : "last",
    });
    this.sentNow += step.events.rows.length;
    this.#progress(step.watermark);
  }

  async #transaction(
    batches: readonly ProducerBatch[],
    before: number,
    position: ReplayPosition,
  ): Promise<void> {
    const producer = this.#producer;
    producer.begin();
    try {
      const bases = batches.length === 0 ? [] : await producer.send(batches);
      const endOffsets = advance(position.endOffsets, batches, bases);
      const marks = await producer.send(this.#watermarkBatches(before, endOffsets));
      const after: ReplayPosition = { ...position, endOffsets };
      const offset = (marks[0] ?? 0) + 1;
      await producer.sendOffsets(positions.group, [positionOffset(positions, offset, after)], null);
      await producer.commit();
      this.hasCommitted = true;
      this.#position = after;
    } catch (error) {
      await abandon(producer, error);
      throw error;
    }
  }

  #watermarkBatches(
    before: number,
    endOffsets: Readonly<Record<string, readonly number[]>>,
  ): ProducerBatch[] {
    return flightTopics.map((topic, index) => {
      const value = new ByteWriter(256);
      const mark = { before, endOffsets: endOffsets[topic] ?? [] };
      (this.#watermarks[index] as AvroEncoder).encode(mark, value);
      const builder = new RecordBatchBuilder({ initialBytes: 512 });
      builder.append(null, value.take(), before);
      return { topic: watermarksTopic(plan.name, topic), partition: 0, batch: builder.build() };
    });
  }

  #progress(eventTime: number): void {
    const { from, to, onProgress } = this.#options;
    const share = to > from ? Math.min(1, (eventTime - from) / (to - from)) : 1;
    onProgress?.({ eventTime, sent: this.#sent(), sentNow: this.sentNow, share });
  }

  #sent(): number {
    return Object.values(this.#position.sent).reduce((sum, count) => sum + count, 0);
  }

  #report(complete: boolean): ReplayReport {
    return { sent: this.#position.sent, sentNow: this.sentNow, complete };
  }
}

/** Nothing sent yet: the topics' ends as they are now. */
async function firstPosition(options: ReplayOptions): Promise<ReplayPosition> {
  const { broker, partitions, from, to, injectText } = options;
  const endOffsets: Record<string, number[]> = {};
  for (const topic of flightTopics) {
    endOffsets[topic] = await broker.listOffsets(
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition, at: "latest" })),
    );
  }
  const sent = Object.fromEntries(flightTopics.map((topic) => [topic, 0]));
  return { format: 1, from, inject: injectText, segment: [from, to], next: from, sent, endOffsets };
}

/** Next offsets after what was appended; partitions without records keep theirs. */
function advance(
  before: Readonly<Record<string, readonly number[]>>,
  batches: readonly ProducerBatch[],
  bases: readonly number[],
): Record<string, number[]> {
  const after = Object.fromEntries(
    Object.entries(before).map(([topic, offsets]) => [topic, [...offsets]]),
  );
  for (const [index, { topic, partition, batch }] of batches.entries()) {
    const offsets = after[topic];
    if (offsets !== undefined) offsets[partition] = (bases[index] as number) + batch.count;
  }
  return after;
}

/** Aborts where that can still be done; the first error is the one that counts. */
async function abandon(producer: Producer, error: unknown): Promise<void> {
  const decided =
    error instanceof MillraceError &&
    (error.code === "TRANSACTION_OUTCOME_UNKNOWN" || error.code === "PRODUCER_FENCED");
  if (decided) return;
  await producer.abort().catch(() => undefined);
}
