import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import type { Plan, SourceSpec } from "../../schemas/plan.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { EventMisfit } from "./event-record.ts";
import { type EncodedEvent, type EventSource, openEventSource } from "./event-source.ts";
import { EventWriter, type WrittenEvent } from "./event-writer.ts";

/** What became of one event. */
export type EventOutcome =
  | ({ readonly kind: "accepted" } & WrittenEvent)
  | { readonly kind: "refused"; readonly reason: string };

export interface EventIngestOptions {
  /** Bytes of events that may wait for Kafka. @default 67108864 */
  readonly waitingBytes?: number;
  /** UTC ms. @default the clock */
  readonly now?: () => number;
}

/** Takes events of the sources of an application, and writes them to their topics. */
export class EventIngest {
  readonly #specs: ReadonlyMap<string, SourceSpec>;
  readonly #broker: Broker;
  readonly #registry: SchemaRegistry;
  readonly #writer: EventWriter;
  readonly #now: () => number;
  readonly #sources = new Map<string, Promise<EventSource>>();

  constructor(
    plans: readonly Plan[],
    { broker, registry }: { readonly broker: Broker; readonly registry: SchemaRegistry },
    { waitingBytes = 67_108_864, now = Date.now }: EventIngestOptions = {},
  ) {
    const sources = plans.flatMap((plan) => plan.sources);
    this.#specs = new Map(sources.map((source) => [source.topic, source]));
    this.#broker = broker;
    this.#registry = registry;
    this.#writer = new EventWriter(broker, waitingBytes);
    this.#now = now;
  }

  /**
   * Writes those that fit; resolves once they are acknowledged, with an outcome for each, in order.
   *
   * @throws {MillraceError} EVENT_TOPIC_UNKNOWN, EVENT_TOPIC_MISSING, SCHEMA_INCOMPATIBLE,
   * GATEWAY_BUSY; what the broker throws: events may stand there all the same.
   */
  async put(topic: string, values: readonly unknown[]): Promise<EventOutcome[]> {
    const source = await this.#source(topic);
    const now = this.#now();
    const outcomes: (EventOutcome | null)[] = [];
    const events: EncodedEvent[] = [];
    for (const value of values) {
      try {
        events.push(source.encode(value, now));
        outcomes.push(null);
      } catch (error) {
        if (!(error instanceof EventMisfit)) throw error;
        outcomes.push({ kind: "refused", reason: error.message });
      }
    }
    const written = await this.#writer.write(topic, events);
    let next = 0;
    return outcomes.map((outcome): EventOutcome => {
      return outcome ?? { kind: "accepted", ...(written[next++] as WrittenEvent) };
    });
  }

  /** Waits for what is under way. */
  close(): Promise<void> {
    return this.#writer.close();
  }

  #source(topic: string): Promise<EventSource> {
    const spec = this.#specs.get(topic);
    if (spec === undefined) {
      const known = [...this.#specs.keys()];
      const near = nearest(topic, known);
      const told = { topic: topic.slice(0, 100), near, known: known.join(", ") };
      throw new MillraceError("EVENT_TOPIC_UNKNOWN", told);
    }
    const found = this.#sources.get(topic) ?? openEventSource(this.#broker, this.#registry, spec);
    this.#sources.set(topic, found);
    found.catch(() => this.#sources.delete(topic));
    return found;
  }
}
