import type { Broker, Producer, ProducerBatch } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { fieldAt } from "../../schemas/formats/field-at.ts";
import { watermark } from "../../schemas/generated.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import { nearest } from "../../schemas/nearest.ts";
import { type Plan, type SourceSpec, topologyOf } from "../../schemas/plan.ts";
import { timeText } from "../../schemas/source-time.ts";
import { watermarksTopic } from "../../schemas/topic-names.ts";
import type { Config } from "../config/settings.ts";
import { AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { sourceEncoder } from "../schema-registry/source-codec.ts";
import type { ValueEncoder } from "../schema-registry/value-encoder.ts";
import type { EventRange, Feeder, FeedReport, ReplayFeed } from "./application-spec.ts";
import { createSources, inputTopics } from "./create-sources.ts";

/** A record that a feeder sends. */
export interface FedEvent {
  /** A source of the application. */
  readonly topic: string;
  /**
   * When it is sent, on the clock of the replay, UTC ms: events stand in the order of these times.
   * Mostly its event time; that of a record that comes late, or out of order, is earlier, and
   * stands in the value alone.
   */
  readonly at: number;
  /** The record, with the fields of the source's schema. */
  readonly value: object;
}

export interface EventFeederOptions<Values = Config> {
  /** All events, in the order of their `at`; the same ones each time that it is asked. */
  readonly events: readonly FedEvent[] | ((config: Values) => Iterable<FedEvent>);
  /** Event time that they cover. @default from the first event to a millisecond after the last */
  readonly range?: (config: Values) => EventRange;
  /** Settings that make the events others, as texts. @default none */
  readonly identity?: (config: Values) => readonly string[];
}

/** Events of one transaction at most. */
const maxStepEvents = 1_000;

/**
 * A feeder of events that are known beforehand: samples, a file, a seeded simulator. It makes the
 * source topics that are missing, sends the events in steps, each one transaction with its source
 * watermarks and the position after it, and goes on there when it is started again.
 *
 * @example
 * feeder: eventFeeder({
 *   events: payments.map((value) => ({ topic: "payments", at: value.paidAt, value })),
 * })
 */
export function eventFeeder<Values = Config>(options: EventFeederOptions<Values>): Feeder<Values> {
  const { events, identity = () => [] } = options;
  const eventsOf = (config: Values) => (typeof events === "function" ? events(config) : events);
  const range = options.range ?? ((config: Values) => spanOf(eventsOf(config)));
  return {
    range,
    identity,
    preview: async (config) => previewOf(eventsOf(config), range(config)),
    replay: async (feed) => {
      const replay = await EventReplay.open(feed, range(feed.config));
      try {
        return await replay.run(eventsOf(feed.config));
      } finally {
        await replay.close();
      }
    },
  };
}

/** What would be sent, a line a topic; refuses what a replay would. */
function previewOf(events: Iterable<FedEvent>, range: EventRange): string {
  const topics = new Map<string, { count: number; from: number; to: number }>();
  for (const { topic, at } of inOrder(events, range)) {
    const sent = topics.get(topic);
    if (sent === undefined) topics.set(topic, { count: 1, from: at, to: at });
    else {
      sent.count += 1;
      sent.to = at;
    }
  }
  if (topics.size === 0) return "no events";
  const lines = [...topics].map(([topic, { count, from, to }]) => {
    const records = `${count} ${count === 1 ? "record" : "records"}`;
    return `${topic}: ${records}, from ${timeText(from)} to ${timeText(to)}`;
  });
  return lines.join("\n");
}

/**
 * The events before the end of the range.
 *
 * @throws {MillraceError} EVENTS_UNORDERED.
 */
function* inOrder(events: Iterable<FedEvent>, { to }: EventRange): Generator<FedEvent> {
  let [index, last] = [0, Number.NEGATIVE_INFINITY];
  for (const event of events) {
    const { topic, at } = event;
    // NaN is before nothing and after nothing.
    if (!(at >= last)) {
      const context = { topic, index, at: timeText(at), before: timeText(last) };
      throw new MillraceError("EVENTS_UNORDERED", context);
    }
    if (at >= to) return;
    yield event;
    last = at;
    index += 1;
  }
}

function spanOf(events: Iterable<FedEvent>): EventRange {
  let [from, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { at } of events) {
    from = Math.min(from, at);
    last = Math.max(last, at);
  }
  return { from, to: last + 1 };
}

/** One source as a replay writes it. */
interface FedSource {
  readonly spec: SourceSpec;
  readonly encoder: ValueEncoder;
  /** Of each topology that reads it: where it is told how far the source is. */
  readonly marks: readonly { readonly topic: string; readonly encoder: AvroEncoder }[];
  /** Next offset of each partition: source watermarks name them. */
  readonly endOffsets: number[];
  /** Records of the step under way, by partition. */
  readonly batches: Map<number, RecordBatchBuilder>;
}

/** How far a replay has come: committed with the records, as metadata of an offset. */
interface Position {
  /** Events sent so far, of all topics. */
  readonly events: number;
  readonly sent: Readonly<Record<string, number>>;
}

type Feed = Pick<ReplayFeed<unknown>, "plans" | "stack" | "signal" | "onProgress">;

class EventReplay {
  readonly #feed: Feed;
  readonly #range: EventRange;
  readonly #group: string;
  readonly #producer: Producer;
  readonly #sources: ReadonlyMap<string, FedSource>;
  #position: Position;
  /** Whether nothing at all has been sent yet. */
  #isNew: boolean;
  #sentNow = 0;

  private constructor(
    feed: Feed,
    range: EventRange,
    writing: {
      readonly group: string;
      readonly producer: Producer;
      readonly sources: ReadonlyMap<string, FedSource>;
      readonly isNew: boolean;
    },
    position: Position,
  ) {
    this.#feed = feed;
    this.#range = range;
    this.#group = writing.group;
    this.#producer = writing.producer;
    this.#sources = writing.sources;
    this.#isNew = writing.isNew;
    this.#position = position;
  }

  /** The new producer fences an older one, so the position read after it stands still. */
  static async open(feed: Feed, range: EventRange): Promise<EventReplay> {
    const { plans } = feed;
    const { broker, registry } = feed.stack;
    await createSources(broker, plans);
    const group = `${plans.map(({ name }) => name).join(".")}.feeder`;
    const topics = inputTopics(plans).map(({ name }) => name);
    const producer = await broker.producer({
      transactionalId: group,
      scope: { group, topics, offsetsOf: topics },
    });
    try {
      const sources = await openSources(broker, registry, plans);
      const [first = ""] = marksOf(sources);
      const [stored] = await broker.committed(group, [{ topic: first, partition: 0 }]);
      const found = stored?.metadata ? (JSON.parse(stored.metadata) as Position) : null;
      const position = found ?? { events: 0, sent: {} };
      const writing = { group, producer, sources, isNew: found === null };
      return new EventReplay(feed, range, writing, position);
    } catch (error) {
      await producer.close();
      throw error;
    }
  }

  async run(events: Iterable<FedEvent>): Promise<FeedReport> {
    let [seen, inStep] = [0, 0];
    const sent = new Map(Object.entries(this.#position.sent));
    const position = (events: number) => ({ events, sent: Object.fromEntries(sent) });
    for (const event of inOrder(events, this.#range)) {
      seen += 1;
      if (seen <= this.#position.events) continue;
      if (inStep === maxStepEvents) {
        if (this.#feed.signal.aborted) return this.#report(false);
        await this.#commit(event.at, position(seen - 1));
        inStep = 0;
      }
      this.#append(event);
      sent.set(event.topic, (sent.get(event.topic) ?? 0) + 1);
      inStep += 1;
    }
    await this.#commit(this.#range.to, position(seen));
    return this.#report(true);
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }

  /** @throws {MillraceError} UNKNOWN_TOPIC, and VALUE_INVALID naming the event. */
  #append(event: FedEvent): void {
    const { topic, at, value } = event;
    const source = this.#sources.get(topic);
    if (source === undefined) {
      const plan = this.#feed.plans.map(({ name }) => name).join(", ");
      const sources = [...this.#sources.keys()];
      const known = nearest(topic, sources) || ` (it has ${sources.join(", ")})`;
      const near = `${known}, but its feeder sends there`;
      throw new MillraceError("UNKNOWN_TOPIC", { topic, plan, near, kind: "source" });
    }
    const key = String(fieldAt(value, source.spec.partitionField));
    const partition = partitionOf(key, source.endOffsets.length);
    let batch = source.batches.get(partition);
    if (batch === undefined) {
      batch = new RecordBatchBuilder();
      source.batches.set(partition, batch);
    }
    const bytes = new ByteWriter();
    try {
      source.encoder.encode(value, bytes);
    } catch (error) {
      throw ofEvent(error, event);
    }
    batch.append(Buffer.from(key, "utf8"), bytes.take(), at);
  }

  /**
   * Sends what was appended, with the news that nothing before the time follows. Of events that are
   * wrong from the first step on nothing is sent.
   */
  async #commit(before: number, position: Position): Promise<void> {
    // Stream time stands at the start before there is any record.
    if (this.#isNew) await this.#send(this.#range.from, this.#position, []);
    this.#isNew = false;
    await this.#send(before, position, [...this.#sources]);
  }

  async #send(
    before: number,
    position: Position,
    appended: readonly (readonly [string, FedSource])[],
  ): Promise<void> {
    const producer = this.#producer;
    producer.begin();
    try {
      for (const [topic, source] of appended) await this.#sendRecords(topic, source);
      const marks = await producer.send(this.#markBatches(before));
      const [first = ""] = marksOf(this.#sources);
      const metadata = JSON.stringify(position);
      const offset = (marks[0] ?? 0) + 1;
      const at = { topic: first, partition: 0, offset, metadata };
      await producer.sendOffsets(this.#group, [at], null);
      await producer.commit();
    } catch (error) {
      // Where the outcome is unknown there is nothing to abort; the first error is what counts.
      await producer.abort().catch(() => undefined);
      throw error;
    }
    this.#sentNow += position.events - this.#position.events;
    this.#position = position;
    const { from, to } = this.#range;
    const share = to > from ? Math.min(1, (before - from) / (to - from)) : 1;
    this.#feed.onProgress({ eventTime: before, share, sentNow: this.#sentNow });
  }

  async #sendRecords(topic: string, { batches, endOffsets }: FedSource): Promise<void> {
    const sending = [...batches].map(
      ([partition, builder]): ProducerBatch => ({ topic, partition, batch: builder.build() }),
    );
    batches.clear();
    if (sending.length === 0) return;
    const bases = await this.#producer.send(sending);
    for (const [index, { partition, batch }] of sending.entries()) {
      endOffsets[partition] = (bases[index] ?? 0) + batch.count;
    }
  }

  #markBatches(before: number): ProducerBatch[] {
    return [...this.#sources.values()].flatMap(({ marks, endOffsets }) =>
      marks.map(({ topic, encoder }) => {
        const value = new ByteWriter();
        encoder.encode({ before, endOffsets }, value);
        const builder = new RecordBatchBuilder({ initialBytes: 512 });
        builder.append(null, value.take(), before);
        return { topic, partition: 0, batch: builder.build() };
      }),
    );
  }

  #report(complete: boolean): FeedReport {
    return { sent: this.#position.sent, sentNow: this.#sentNow, complete };
  }
}

/** The same error, which says of which event it is. */
function ofEvent(error: unknown, { topic, at }: FedEvent): unknown {
  if (!(error instanceof MillraceError && error.code === "VALUE_INVALID")) return error;
  const { format, reason } = error.context;
  const event = `of ${topic}, at ${new Date(at).toISOString()}`;
  const context = { format: String(format), reason: `${reason} in the event ${event}` };
  return new MillraceError("VALUE_INVALID", context);
}

/** The topics of all watermarks, in the order in which they are sent. */
function marksOf(sources: ReadonlyMap<string, FedSource>): string[] {
  return [...sources.values()].flatMap(({ marks }) => marks.map(({ topic }) => topic));
}

async function marksFor(registry: SchemaRegistry, plans: readonly Plan[], source: string) {
  const readers = plans.filter(({ sources }) => sources.some(({ topic }) => topic === source));
  const topics = new Set(readers.map((plan) => watermarksTopic(topologyOf(plan), source)));
  return await Promise.all(
    [...topics].map(async (topic) => {
      const id = await registry.register(`${topic}-value`, watermark);
      return { topic, encoder: new AvroEncoder(watermark, id) };
    }),
  );
}

async function openSources(
  broker: Broker,
  registry: SchemaRegistry,
  plans: readonly Plan[],
): Promise<ReadonlyMap<string, FedSource>> {
  const sources = new Map<string, FedSource>();
  for (const spec of plans.flatMap((plan) => plan.sources)) {
    const { topic } = spec;
    if (sources.has(topic)) continue;
    const [described] = await broker.describeTopics([topic]);
    const ends = Array.from({ length: described?.partitions ?? 0 }, (_, partition) => {
      return { topic, partition, at: "latest" } as const;
    });
    sources.set(topic, {
      spec,
      encoder: await sourceEncoder(registry, spec),
      marks: await marksFor(registry, plans, topic),
      endOffsets: await broker.listOffsets(ends),
      batches: new Map(),
    });
  }
  return sources;
}
