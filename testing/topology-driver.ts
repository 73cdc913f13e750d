import type { Broker, Producer } from "../broker/broker.ts";
import { systemClock } from "../broker/embedded/broker-clock.ts";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import type { ExternalWork } from "../processors/processor.ts";
import { ViewProcessor } from "../processors/view.ts";
import { type BranchAccount, branchAccounts } from "../runtime/engine/accounting.ts";
import { MergeTask } from "../runtime/engine/merge-task.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { createSources } from "../runtime/hosting/create-sources.ts";
import { startPumps } from "../runtime/hosting/pumps.ts";
import { offlineTables } from "../runtime/offline/tables.ts";
import type { SinkPump } from "../runtime/pump/sink-pump.ts";
import { AvroDecoder, AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import type { SchemaRegistry } from "../runtime/schema-registry/registry.ts";
import { sourceEncoder } from "../runtime/schema-registry/source-codec.ts";
import type { ValueEncoder } from "../runtime/schema-registry/value-encoder.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { MillraceError } from "../schemas/errors.ts";
import type { Scalar } from "../schemas/expression.ts";
import { featureValues } from "../schemas/feature-values.ts";
import {
  type FeatureViewSpec,
  featureColumns,
  viewId,
  viewTable,
} from "../schemas/feature-view.ts";
import { fieldAt } from "../schemas/formats/field-at.ts";
import { watermark } from "../schemas/generated.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { Plan, SourceSpec, Subtopology } from "../schemas/plan.ts";
import { viewNamed, viewsOf } from "../schemas/plan-facts.ts";
import type { FeatureRow } from "../schemas/row.ts";
import { msOf } from "../schemas/source-time.ts";
import { watermarksTopic } from "../schemas/topic-names.ts";
import { judgeFreshness } from "../sinks/freshness.ts";
import {
  createMemoryOfflineStore,
  createMemoryOnlineStore,
  type MemoryOfflineStore,
} from "../sinks/memory/memory.ts";
import type { Freshness, OnlineStore } from "../sinks/store.ts";
import { type DriverModels, standIn } from "./driver-models.ts";
import { type DriverRecord, readAll, send } from "./driver-topics.ts";
import {
  checkFormat,
  checkTopic,
  type FormatOf,
  type NamedPredictions,
  type NamedView,
  type PredictionValue,
} from "./driver-types.ts";
import { held } from "./held.ts";

export interface SentOptions {
  /** @default the text of the source's partition field */
  readonly key?: string | null;
  /** Record timestamp, UTC ms. @default the event time */
  readonly timestamp?: number;
  /** @default murmur2 of the key */
  readonly partition?: number;
}

/**
 * Runs a production topology in memory: the same tasks, commits and changelogs over an in-memory
 * broker, with event time moved by hand. Nothing happens but inside `advanceTo` and `drain`.
 *
 * @example
 * const driver = topologyDriver(cardPayments);
 * driver.input("payments").send(payment);
 * await driver.advanceTo(Date.UTC(2001, 0, 2));
 * const scores = await driver.output("payments.scores").drain();
 */
export function topologyDriver(plan: Plan, options: DriverModels = {}): TopologyDriver {
  return new TopologyDriver(plan, options);
}

interface Queued {
  readonly topic: string;
  readonly value: object | Buffer;
  readonly sent: SentOptions;
}

interface World {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly worker: Worker;
  readonly producer: Producer;
  readonly encoders: ReadonlyMap<string, ValueEncoder>;
  readonly pumps: readonly SinkPump[];
  readonly online: OnlineStore;
  readonly offline: MemoryOfflineStore;
}

/** A row of the online store as a reader sees it. */
export interface DriverFeatures<Column extends string = string> {
  readonly freshness: Freshness;
  readonly asOf: number | null;
  readonly validUntil: number | null;
  /** By column, e.g. `delay_mean_1h`, of its type; null where a window is empty. */
  readonly features: Readonly<Record<Column, Scalar>>;
}

/** A source topic to write to. */
export interface DriverInput<T> {
  send(value: T | Buffer, sent?: SentOptions): void;
}

/** A topic to read. */
export interface DriverOutput<Value> {
  drain(): Promise<DriverRecord<Value>[]>;
}

export class TopologyDriver {
  readonly #plan: Plan;
  readonly #options: DriverModels;
  readonly #queue: Queued[] = [];
  readonly #read = new Map<string, number[]>();
  #world: Promise<World> | null = null;

  constructor(plan: Plan, options: DriverModels) {
    this.#plan = plan;
    this.#options = options;
  }

  /**
   * A source topic to write to: records by their fields, or bytes as they are.
   *
   * @param format - as `from` was given it: the records have its type then. @default any records
   * @throws {MillraceError} UNKNOWN_TOPIC.
   * @throws {RangeError} for the format of another source.
   */
  input(topic: string): DriverInput<object>;
  input<T>(topic: string, format: FormatOf<T>): DriverInput<T>;
  input(topic: string, format?: FormatOf<unknown>): DriverInput<object> {
    const { sources } = this.#plan;
    const known = sources.map((source) => source.topic);
    checkTopic(this.#plan, "source", topic, known);
    const source = sources.find((each) => each.topic === topic);
    if (format !== undefined && source !== undefined) checkFormat(source, format);
    return { send: (value, sent = {}) => void this.#queue.push({ topic, value, sent }) };
  }

  /**
   * A topic to read; `drain` gives what is new since the last time. Of a scoring step in place of
   * its topic's name the values are typed.
   *
   * @throws {MillraceError} UNKNOWN_TOPIC.
   */
  output(topic: string): DriverOutput<Record<string, unknown>>;
  output<Feature extends string>(
    step: NamedPredictions<Feature>,
  ): DriverOutput<PredictionValue<Feature>>;
  output(of: string | NamedPredictions<string>): DriverOutput<never> {
    const topic = typeof of === "string" ? of : of.definition.topic;
    const known = this.#plan.topics.map(({ name }) => name);
    checkTopic(this.#plan, "topic", topic, known);
    return {
      drain: async () => {
        await this.#run();
        return (await this.#drain(topic)) as unknown as DriverRecord<never>[];
      },
    };
  }

  /** Moves the event time of every source to at least `timeMs` (a source watermark) and runs. */
  advanceTo(timeMs: number): Promise<void> {
    return held(() => this.#advanceTo(timeMs));
  }

  async #advanceTo(timeMs: number): Promise<void> {
    await this.#run();
    const { broker, registry, producer } = await this.#open();
    for (const source of this.#plan.sources) {
      const topic = watermarksTopic(this.#plan.name, source.topic);
      const partitions = Array.from({ length: this.#plan.partitions }, (_, partition) => ({
        topic: source.topic,
        partition,
        at: "latest" as const,
      }));
      const endOffsets = await broker.listOffsets(partitions);
      const id = await registry.register(`${topic}-value`, watermark);
      const value = new ByteWriter();
      new AvroEncoder(watermark, id).encode({ before: timeMs, endOffsets }, value);
      await send(producer, topic, 0, null, value.take(), timeMs);
    }
    await this.#run();
  }

  /** The state of a feature view, by entity key, as it stands now. */
  store(of: string | NamedView<string>): { get(entityKey: string): Promise<FeatureRow | null> } {
    const view = viewId(this.#view(of));
    return {
      get: async (entityKey) => {
        await this.#run();
        const { worker } = await this.#open();
        const partition = partitionOf(entityKey, this.#plan.partitions);
        for (const task of worker.tasks) {
          if (task.subtopology.name !== view || task.partition !== partition) continue;
          if (task instanceof MergeTask && task.processor instanceof ViewProcessor) {
            return task.processor.peek(entityKey);
          }
        }
        return null;
      },
    };
  }

  /** What the online store serves of an entity at an instant. @param at - @default the progress */
  async online<Column extends string = string>(
    of: string | NamedView<Column>,
    entityKey: string,
    at?: number,
  ): Promise<DriverFeatures<Column>> {
    const spec = this.#view(of);
    const view = viewId(spec);
    await this.#store();
    const { online } = await this.#open();
    const partition = partitionOf(entityKey, this.#plan.partitions);
    const [entry] = await online.read([{ view, entityKey, partition }]);
    const { row, progress } = entry ?? { row: null, progress: Number.NEGATIVE_INFINITY };
    const instant = at ?? progress;
    const limits = { ttlMs: spec.ttlMs, maxLagMs: Number.POSITIVE_INFINITY };
    const { freshness } = judgeFreshness({ row, progress }, instant, limits);
    const values = row === null ? [] : featureValues(spec, row, instant);
    const columns = featureColumns(spec).map(
      ({ column }, index) => [column, values[index] ?? null] as const,
    );
    const until = row === null || Number.isNaN(row.validUntil) ? null : row.validUntil;
    return {
      freshness,
      asOf: row?.asOf ?? null,
      validUntil: until,
      features: Object.fromEntries(columns) as Record<Column, Scalar>,
    };
  }

  /**
   * Rows of an offline table, by column. For a feature view (`name@version`) every row that was
   * emitted; else by the name of the analysts' view, e.g. `predictions`.
   */
  async offline(
    of: string | NamedView<string>,
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const name = typeof of === "string" ? of : of.definition.id;
    await this.#store();
    const { offline } = await this.#open();
    const view = viewNamed(this.#plan, name);
    return offline.rows(view ? viewTable(view) : `raw_${name}`);
  }

  /** What became of every input record, by source partition and branch. */
  async accounting(): Promise<BranchAccount[]> {
    await this.#run();
    const { worker } = await this.#open();
    return branchAccounts(this.#plan, worker.tasks);
  }

  async close(): Promise<void> {
    if (this.#world === null) return;
    const { broker, worker, pumps } = await this.#world;
    await held(async () => {
      await worker.close();
      await Promise.all(pumps.map((pump) => pump.stop()));
      await broker.close();
    });
  }

  #view(of: string | NamedView<string>): FeatureViewSpec {
    const name = typeof of === "string" ? of : of.definition.id;
    const view = viewNamed(this.#plan, name);
    if (view === undefined)
      throw new MillraceError("VIEW_UNKNOWN", {
        view: name,
        near: "",
        known: viewsOf(this.#plan).map(viewId).join(", "),
      });
    return view;
  }

  /** Runs, and stores what came of it. */
  async #store(): Promise<void> {
    await this.#run();
    const { pumps } = await this.#open();
    await held(() => Promise.all(pumps.map((pump) => pump.drain())));
  }

  async #run(): Promise<void> {
    await held(async () => {
      const world = await this.#open();
      for (const queued of this.#queue.splice(0)) await this.#produce(world, queued);
      // In memory and alone, a worker that finds nothing to do has done all there is.
      await world.worker.run(new AbortController().signal, () => true);
    });
  }

  async #produce({ producer, encoders }: World, queued: Queued): Promise<void> {
    const { topic, sent } = queued;
    const source = this.#plan.sources.find((each) => each.topic === topic);
    if (source === undefined) return;
    let bytes: Buffer;
    let key = sent.key ?? null;
    let timestamp = sent.timestamp ?? 0;
    if (Buffer.isBuffer(queued.value)) bytes = queued.value;
    else {
      const record = queued.value;
      const writer = new ByteWriter();
      encoders.get(topic)?.encode(record, writer);
      bytes = writer.take();
      if (sent.key === undefined) key = String(fieldAt(record, source.partitionField));
      timestamp = sent.timestamp ?? timeOf(record, source);
    }
    const partition = sent.partition ?? partitionOf(key ?? "", this.#plan.partitions);
    await send(producer, topic, partition, key, bytes, timestamp);
  }

  async #drain(topic: string): Promise<DriverRecord[]> {
    const { broker, registry } = await this.#open();
    const spec = this.#plan.topics.find((each) => each.name === topic);
    const positions = this.#read.get(topic) ?? new Array<number>(spec?.partitions ?? 1).fill(0);
    this.#read.set(topic, positions);
    const latest = await registry.latest(`${topic}-value`);
    if (latest === null) return [];
    const decoder = new AvroDecoder(registry, latest.schema);
    const records: DriverRecord[] = [];
    for (const partition of positions.keys()) {
      for (;;) {
        const [fetched] = await broker.fetch({
          partitions: [{ topic, partition, offset: positions[partition] ?? 0, maxBytes: 1 << 24 }],
          isolation: "read_committed",
          maxWaitMs: 0,
          maxBytes: 1 << 24,
        });
        if (fetched === undefined) break;
        positions[partition] = await readAll(fetched, decoder, records);
      }
    }
    return records;
  }

  #open(): Promise<World> {
    this.#world ??= this.#create();
    return this.#world;
  }

  async #create(): Promise<World> {
    const plan = this.#plan;
    // Its loops keep no process alive: a test that fails before it closes the driver ends.
    const clock = { ...systemClock, after: systemClock.afterUnlessDone };
    const broker = await openEmbeddedBroker({ directory: null, clock });
    const registry = createMemoryRegistry();
    await createSources(broker, [plan]);
    const worker = await Worker.start({
      plan,
      broker,
      registry,
      mode: { kind: "replay" },
      instanceId: "driver",
      execute: (subtopology, work) => this.#execute(subtopology, work),
      commitIntervalMs: 0,
      idleWaitMs: 0,
    });
    const producer = await broker.producer({ transactionalId: null });
    const encoders = new Map<string, ValueEncoder>();
    for (const source of plan.sources) {
      encoders.set(source.topic, await sourceEncoder(registry, source));
    }
    const online = createMemoryOnlineStore();
    const offline = createMemoryOfflineStore();
    await offline.migrate(offlineTables(plan), []);
    const pumps = await startPumps(plan, { broker, registry, online, offline }, (who, error) => {
      if (error !== null) throw new Error(`${who}: rows are refused`, { cause: error });
    });
    return { broker, registry, worker, producer, encoders, pumps, online, offline };
  }

  async #execute(subtopology: Subtopology, work: ExternalWork): Promise<Buffer> {
    const ahead = subtopology.outputs.flatMap((output) =>
      output.kind === "inbox" ? [output.lookAheadMs] : [],
    );
    return standIn(work, this.#options, Math.max(0, ...ahead));
  }
}

/** The event time of a record as it is written. */
function timeOf(record: object, { topic, timeField, recordTime, timeUnit }: SourceSpec): number {
  if (recordTime === true) {
    throw new RangeError(`${topic} is timed by recordTime(): send its records with a timestamp`);
  }
  const written = fieldAt(record, timeField);
  return Number(timeUnit === undefined ? written : msOf(written, timeUnit));
}
