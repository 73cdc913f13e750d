import type { Broker } from "../../broker/broker.ts";
import type { Spill } from "../../processors/local-store.ts";
import { makeProcessor } from "../../processors/registry.ts";
import { SourceProcessor } from "../../processors/source.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { deadLetter, decision, lateRecord, watermark } from "../../schemas/generated.ts";
import {
  type AvroSchema,
  type Plan,
  readsSource,
  type Subtopology,
  topologyOf,
} from "../../schemas/plan.ts";
import { watermarksTopic } from "../../schemas/topic-names.ts";
import { deadLetterTopic, decisionsTopic, lateTopic } from "../../topologies/dsl/compile/topics.ts";
import { AvroDecoder, AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { RecordDecoder } from "../schema-registry/record-decoder.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { sourceDecoder } from "../schema-registry/source-codec.ts";
import { allTasks } from "./assignment.ts";
import { recordLimits } from "./commit-batches.ts";
import { DecisionLog } from "./live/decision-log.ts";
import {
  clockOrders,
  inputOrders,
  type MergeDecisions,
  recordOrders,
} from "./live/merge-decisions.ts";
import { RecordedDecisions } from "./live/recorded-decisions.ts";
import {
  type AheadRule,
  clockDecides,
  inputDecides,
  recordDecides,
  type SourceDecisions,
  usualAhead,
} from "./live/source-decisions.ts";
import { LocalStores, type SpillOptions } from "./local-stores.ts";
import { defaultSnapshots, MergeTask, type SnapshotRule } from "./merge-task.ts";
import { SourceTask, type SourceTaskWiring } from "./source-task.ts";
import { SourceWatermarks } from "./source-watermarks.ts";
import type { OutboxWiring } from "./task-outbox.ts";

/**
 * Bytes that all tasks of a plan gather for one commit, were they in one process: what a broker
 * takes well within the time that a transaction has.
 */
const commitBytes = 64 * 1024 * 1024;
/** What a task may gather however many there are. */
const taskCommitBytes = 1024 * 1024;

export interface TaskTuning {
  /** When tasks write snapshots, and how large one may be. @default by their sizes, 512 MiB */
  readonly snapshots?: SnapshotRule;
  /** Where tasks put what is beyond their share of memory. @default all stays in memory */
  readonly spill?: SpillOptions;
}

/** Makes the tasks of a plan; holds what they share in a process. */
export class TaskFactory {
  readonly plan: Plan;
  readonly watermarks = new Map<string, SourceWatermarks>();
  readonly #registry: SchemaRegistry;
  readonly #encoders = new Map<string, AvroEncoder>();
  readonly #decoders = new Map<string, RecordDecoder>();
  readonly #mode: Mode;
  readonly #snapshots: SnapshotRule;
  readonly #stores: LocalStores | null;
  #recorded: RecordedDecisions | null = null;

  private constructor(
    plan: Plan,
    registry: SchemaRegistry,
    mode: Mode,
    { snapshots = defaultSnapshots, spill }: TaskTuning,
  ) {
    this.plan = plan;
    this.#registry = registry;
    this.#mode = mode;
    this.#stores = spill === undefined ? null : new LocalStores(spill);
    this.#snapshots = snapshots;
  }

  /**
   * Registers the schemas of everything that the plan writes; those of its sources are others'.
   *
   * @throws {MillraceError} LIVE_AT_LEAST_ONCE: without transactions a decision could be lost while
   * what follows from it stands.
   */
  static async create(
    plan: Plan,
    broker: Broker,
    registry: SchemaRegistry,
    mode: Mode,
    tuning: TaskTuning = {},
  ): Promise<TaskFactory> {
    if (mode.kind === "live" && plan.guarantee === "at-least-once") {
      throw new MillraceError("LIVE_AT_LEAST_ONCE", { topology: plan.name });
    }
    const factory = new TaskFactory(plan, registry, mode, tuning);
    for (const subtopology of plan.subtopologies) {
      for (const output of subtopology.outputs) {
        if (output.kind === "topic") await factory.#addEncoder(output.topic, output.schema);
      }
    }
    await factory.#addEncoder(lateTopic(plan.name), lateRecord);
    await factory.#addEncoder(deadLetterTopic(plan.name), deadLetter);
    const decisions = decisionsTopic(plan.name);
    await factory.#addEncoder(decisions, decision);
    if (mode.kind === "replay" && mode.decisions !== undefined) {
      const decoder = new AvroDecoder(registry, decision);
      factory.#recorded = await RecordedDecisions.read(broker, decisions, decoder);
    }
    for (const source of plan.sources) {
      factory.#decoders.set(source.topic, sourceDecoder(registry, source));
      const topic = watermarksTopic(topologyOf(plan), source.topic);
      await registry.register(`${topic}-value`, watermark);
      const decoder = new AvroDecoder(registry, watermark);
      factory.watermarks.set(source.topic, new SourceWatermarks(broker, topic, decoder));
    }
    return factory;
  }

  create(subtopology: Subtopology, partition: number): MergeTask | SourceTask {
    const wiring = this.#wiring();
    const { operator } = subtopology;
    if (!readsSource(operator)) {
      const processor = makeProcessor(operator, subtopology, {
        partition,
        waitsMayEnd: this.#waitsMayEnd,
        spill: this.#spill(),
      });
      const decisions = this.#mergeDecisions(subtopology, partition, wiring);
      const snapshots = this.#snapshots;
      return new MergeTask(subtopology, partition, processor, wiring, decisions, snapshots);
    }
    const watermarks = this.watermarks.get(subtopology.inbox);
    const decoder = this.#decoders.get(subtopology.inbox);
    if (watermarks === undefined || decoder === undefined) {
      throw new RangeError(`the plan has no source for ${subtopology.inbox}`);
    }
    const sourceWiring: SourceTaskWiring = {
      ...wiring,
      plan: this.plan,
      decoder,
      watermarks,
      decisions: this.#sourceDecisions(subtopology, partition, wiring),
      lateTopic: lateTopic(this.plan.name),
    };
    const processor = new SourceProcessor(operator.spec, subtopology, partition);
    return new SourceTask(subtopology, partition, processor, sourceWiring);
  }

  /** Forgets what tasks have put on disk: all are made anew, or none is left. */
  clearStores(): void {
    this.#stores?.clear();
  }

  #spill(): Spill | null {
    return this.#stores?.open() ?? null;
  }

  #sourceDecisions(
    subtopology: Subtopology,
    partition: number,
    wiring: OutboxWiring,
  ): SourceDecisions {
    if (this.#mode.kind === "live") {
      const { now, ahead = usualAhead, end } = this.#mode;
      return clockDecides(now, this.#decisionLog(subtopology, partition, wiring), ahead, end);
    }
    const recorded = this.#recorded?.of(subtopology.name, partition) ?? [];
    if (this.#repeatsAll) return recordDecides(recorded);
    return inputDecides(this.#decisionLog(subtopology, partition, wiring), recorded);
  }

  #mergeDecisions(
    subtopology: Subtopology,
    partition: number,
    wiring: OutboxWiring,
  ): MergeDecisions {
    const { inputs } = subtopology;
    if (this.#mode.kind === "live") {
      const { maxWaitMs } = this.#mode;
      // Whoever looks something up gets its answer before the own patience ends.
      const isAsked = inputs.some(({ role }) => role === "lookup");
      const limitMs = isAsked ? maxWaitMs / 2 : maxWaitMs;
      const log = this.#decisionLog(subtopology, partition, wiring);
      return clockOrders(clockOf(this.#mode), limitMs, log);
    }
    const recorded = this.#recorded?.of(subtopology.name, partition) ?? [];
    if (this.#repeatsAll) return recordOrders(recorded);
    return inputOrders(this.#decisionLog(subtopology, partition, wiring), recorded);
  }

  #decisionLog(subtopology: Subtopology, partition: number, wiring: OutboxWiring): DecisionLog {
    const topic = decisionsTopic(this.plan.name);
    return new DecisionLog(subtopology, partition, topic, wiring.encoderOf(topic));
  }

  #wiring(): OutboxWiring {
    const { plan } = this;
    return {
      subtopologyOf: (name) => {
        const found = plan.subtopologies.find((each) => each.name === name);
        if (found === undefined) throw new RangeError(`the plan has no subtopology ${name}`);
        return found;
      },
      encoderOf: (topic) => {
        const encoder = this.#encoders.get(topic);
        if (encoder === undefined) throw new RangeError(`topic ${topic} has no schema`);
        return encoder;
      },
      partitionsOf: (topic) =>
        plan.topics.find((each) => each.name === topic)?.partitions ?? plan.partitions,
      recordBytesOf: recordLimits(plan),
      deadLetterTopic: deadLetterTopic(plan.name),
      commitBytes: Math.max(taskCommitBytes, commitBytes / allTasks(plan).length),
    };
  }

  get #waitsMayEnd(): boolean {
    return this.#mode.kind === "live" || this.#repeatsAll;
  }

  get #repeatsAll(): boolean {
    return this.#mode.kind === "replay" && this.#mode.decisions === "all";
  }

  async #addEncoder(topic: string, schema: AvroSchema): Promise<void> {
    const id = await this.#registry.register(`${topic}-value`, schema);
    this.#encoders.set(topic, new AvroEncoder(schema, id));
  }
}

/**
 * Replay decides nothing by the wall clock. Live mode advances idle sources by it, ends waits, and
 * logs each decision; a replay with `decisions` reads them from their topic and repeats them.
 */
export type Mode =
  | {
      readonly kind: "replay";
      /**
       * Decisions of an earlier run that are repeated: all of a live one, or when partitions were
       * added to a source. @default none
       */
      readonly decisions?: "all" | "partitions";
    }
  | {
      readonly kind: "live";
      /** UTC ms. */
      readonly now: () => number;
      /**
       * Where the run ends, UTC ms: its clock stops there, so that its tasks come to rest, and what
       * is later stays in the sources for the next run. @default it has no end
       */
      readonly end?: number;
      /** Longest wait of a record in a task for others that may lie before it, ms. */
      readonly maxWaitMs: number;
      /** @default 5 s beyond the clock; what lies beyond waits */
      readonly ahead?: AheadRule;
    };

/** The clock of a live run, which stops at its end. */
export function clockOf({ now, end = Number.POSITIVE_INFINITY }: Mode & { kind: "live" }) {
  return () => Math.min(now(), end);
}
