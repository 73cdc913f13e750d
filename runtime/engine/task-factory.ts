import type { Processor } from "../../processors/processor.ts";
import { ScoringProcessor } from "../../processors/scoring.ts";
import { SourceProcessor } from "../../processors/source.ts";
import { TrainingProcessor } from "../../processors/training.ts";
import { ViewProcessor } from "../../processors/view.ts";
import { WatchProcessor } from "../../processors/watch.ts";
import { viewId } from "../../schemas/feature-view.ts";
import { deadLetter, lateRecord, watermark } from "../../schemas/generated.ts";
import type { AvroSchema, Plan, Subtopology } from "../../schemas/plan.ts";
import {
  deadLetterTopic,
  lateTopic,
  watermarksTopic,
} from "../../topologies/dsl/compile/topics.ts";
import type { Broker } from "../broker/broker.ts";
import { AvroDecoder, AvroEncoder } from "../schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { MergeTask } from "./merge-task.ts";
import { SourceTask, type SourceTaskWiring } from "./source-task.ts";
import { SourceWatermarks } from "./source-watermarks.ts";
import type { OutboxWiring } from "./task-outbox.ts";

/** Replay: a jump in event time beyond this is refused. */
const replayMaxJumpMs = 48 * 3_600_000;
/** Live: an event time beyond the wall clock by more than this is refused. */
const liveMaxAheadMs = 3_600_000;

/** Makes the tasks of a plan; holds what they share in a process. */
export class TaskFactory {
  readonly plan: Plan;
  readonly watermarks = new Map<string, SourceWatermarks>();
  readonly #registry: SchemaRegistry;
  readonly #encoders = new Map<string, AvroEncoder>();
  readonly #decoders = new Map<string, AvroDecoder>();
  readonly #latestEventTime: (streamTime: number) => number;

  private constructor(plan: Plan, registry: SchemaRegistry, mode: Mode) {
    this.plan = plan;
    this.#registry = registry;
    this.#latestEventTime =
      mode.kind === "live"
        ? () => mode.now() + liveMaxAheadMs
        : (streamTime) => (Number.isFinite(streamTime) ? streamTime + replayMaxJumpMs : Infinity);
  }

  /** Registers the schemas of everything that the plan reads and writes. */
  static async create(
    plan: Plan,
    broker: Broker,
    registry: SchemaRegistry,
    mode: Mode,
  ): Promise<TaskFactory> {
    const factory = new TaskFactory(plan, registry, mode);
    for (const subtopology of plan.subtopologies) {
      for (const output of subtopology.outputs) {
        if (output.kind === "topic") await factory.#addEncoder(output.topic, output.schema);
      }
    }
    await factory.#addEncoder(lateTopic(plan.name), lateRecord);
    await factory.#addEncoder(deadLetterTopic(plan.name), deadLetter);
    for (const source of plan.sources) {
      await registry.register(`${source.topic}-value`, source.schema);
      factory.#decoders.set(source.topic, new AvroDecoder(registry, source.schema));
      const topic = watermarksTopic(source.topic);
      await registry.register(`${topic}-value`, watermark);
      const decoder = new AvroDecoder(registry, watermark);
      factory.watermarks.set(source.topic, new SourceWatermarks(broker, topic, decoder));
    }
    return factory;
  }

  create(subtopology: Subtopology, partition: number): MergeTask | SourceTask {
    const wiring = this.#wiring();
    if (subtopology.kind !== "source") {
      const processor = this.#processor(subtopology, partition);
      return new MergeTask(subtopology, partition, processor, wiring);
    }
    const source = this.plan.sources.find((each) => each.topic === subtopology.inbox);
    const watermarks = this.watermarks.get(subtopology.inbox);
    const decoder = this.#decoders.get(subtopology.inbox);
    if (source === undefined || watermarks === undefined || decoder === undefined) {
      throw new RangeError(`the plan has no source for ${subtopology.inbox}`);
    }
    const sourceWiring: SourceTaskWiring = {
      ...wiring,
      plan: this.plan,
      decoder,
      watermarks,
      latestEventTime: this.#latestEventTime,
      lateTopic: lateTopic(this.plan.name),
      deadLetterTopic: deadLetterTopic(this.plan.name),
      lateEncoder: wiring.encoderOf(lateTopic(this.plan.name)),
      deadLetterEncoder: wiring.encoderOf(deadLetterTopic(this.plan.name)),
    };
    const processor = new SourceProcessor(source, subtopology, this.plan, partition);
    return new SourceTask(subtopology, partition, processor, sourceWiring);
  }

  #processor(subtopology: Subtopology, partition: number): Processor {
    switch (subtopology.kind) {
      case "view": {
        const view = this.plan.views.find((each) => viewId(each) === subtopology.name);
        if (view === undefined) throw new RangeError(`the plan has no view ${subtopology.name}`);
        return new ViewProcessor(view, subtopology, this.plan);
      }
      case "scoring":
        return new ScoringProcessor(this.plan, subtopology, partition);
      case "watch":
        return new WatchProcessor(this.plan, subtopology);
      case "training":
        return new TrainingProcessor(this.plan, subtopology);
      case "source":
        throw new RangeError("a source has no merge processor");
    }
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
    };
  }

  async #addEncoder(topic: string, schema: AvroSchema): Promise<void> {
    const id = await this.#registry.register(`${topic}-value`, schema);
    this.#encoders.set(topic, new AvroEncoder(schema, id));
  }
}

/** Replay decides nothing by the wall clock; live mode guards against far-future times with it. */
export type Mode =
  | { readonly kind: "replay" }
  | { readonly kind: "live"; readonly now: () => number };
