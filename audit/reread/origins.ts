import type { Broker } from "../../broker/broker.ts";
import { committedPages, type PlainRecord } from "../../broker/committed-records.ts";
import { AvroDecoder } from "../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../runtime/schema-registry/registry.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { deadLetter, lateRecord } from "../../schemas/generated.ts";
import type { TopicSpec } from "../../schemas/plan.ts";

/**
 * Tells late records and dead letters apart by where they come from: the step that put them aside,
 * and the partition of the topic that it took them from, or meant them for. One task writes all of
 * an origin, in its order; those of several origins come into a partition of their topic as commits
 * happen to fall.
 *
 * Memory: an origin is a name; there are no more than partitions that the steps read and write.
 */
export class Origins {
  readonly #decoder: AvroDecoder;

  private constructor(decoder: AvroDecoder) {
    this.#decoder = decoder;
  }

  /** Null: one task writes all of a partition of such a topic. */
  static of(role: TopicSpec["role"], registry: SchemaRegistry): Origins | null {
    if (role === "late") return new Origins(new AvroDecoder(registry, lateRecord));
    if (role === "dead-letters") return new Origins(new AvroDecoder(registry, deadLetter));
    return null;
  }

  /** The origins in a partition of a topic on several brokers, sorted. */
  async all(
    brokers: readonly Broker[],
    topic: string,
    partition: number,
  ): Promise<readonly string[]> {
    const found = new Set<string>();
    for (const broker of brokers) {
      for await (const page of committedPages(broker, topic, partition)) {
        for (const record of page) found.add(await this.#lookUp(record));
      }
    }
    return [...found].sort();
  }

  /** Of a record that `all` has seen; "" where it does not say. */
  originOf({ value }: PlainRecord): string {
    if (value === null) return "";
    const decoded = this.#decoder.decode(value, 0, value.length);
    return decoded.kind === "value" ? originIn(decoded.value) : "";
  }

  /** The schema is known from here on. */
  async #lookUp(record: PlainRecord): Promise<string> {
    const { value } = record;
    if (value === null) return "";
    try {
      return originIn(await this.#decoder.decodeAwaiting(value, 0, value.length));
    } catch (error) {
      if (error instanceof MillraceError && error.code === "VALUE_UNREADABLE") return "";
      throw error;
    }
  }
}

function originIn({ step, topic, partition }: Readonly<Record<string, unknown>>): string {
  const place = `${topic}/${partition}`;
  return step === undefined || step === topic ? place : `${place} at ${step}`;
}
