import type { Broker, Producer } from "../../broker/broker.ts";
import { readCommitted } from "../../broker/committed-records.ts";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import type { Plan } from "../../schemas/plan.ts";
import { createSources } from "../hosting/create-sources.ts";
import { createMemoryRegistry } from "../schema-registry/embedded.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import { sourceDecoder } from "../schema-registry/source-codec.ts";

/** What stands in a source topic, as a stream reads it. */
export interface ReadEvent {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly timestamp: number;
  readonly value: Record<string, unknown>;
}

/** An embedded broker in memory with the sources of a plan, whose sends a test can hold up. */
export interface IngestWorld {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  /** Batches of records that were sent, each with its number of records. */
  readonly sends: number[][];
  /** What each send waits for. */
  hold: () => Promise<void>;
  read(topic: string): Promise<ReadEvent[]>;
}

export async function ingestWorld(plan: Plan): Promise<IngestWorld> {
  const broker = await openEmbeddedBroker({ directory: null });
  const registry = createMemoryRegistry();
  await createSources(broker, [plan]);
  const world: IngestWorld = {
    registry,
    broker: {
      ...portOf(broker),
      producer: async (options) => {
        const producer = await broker.producer(options);
        return held(producer, world);
      },
    },
    sends: [],
    hold: async () => {},
    read: async (topic) => {
      const spec = plan.sources.find((source) => source.topic === topic);
      if (spec === undefined) throw new RangeError("no source");
      const decoder = sourceDecoder(registry, spec);
      const records: (Omit<ReadEvent, "value"> & { bytes: Buffer })[] = [];
      for (let partition = 0; partition < plan.partitions; partition++) {
        await readCommitted(broker, topic, partition, (record) => {
          const { buffer, keyStart, keyEnd, valueStart, valueEnd } = record;
          records.push({
            ...{ partition, offset: record.offset, timestamp: record.timestampMs },
            key: buffer.toString("utf8", keyStart, keyEnd),
            bytes: Buffer.from(buffer.subarray(valueStart, valueEnd)),
          });
        });
      }
      const events: ReadEvent[] = [];
      for (const { bytes, ...rest } of records) {
        const value = { ...(await decoder.decodeAwaiting(bytes, 0, bytes.length)) };
        events.push({ ...rest, value });
      }
      return events;
    },
  };
  return world;
}

/** The methods that are used: spreading a class would lose them. */
function portOf(broker: Broker): Broker {
  return {
    kind: broker.kind,
    describeTopics: (names?: readonly string[]) => broker.describeTopics(names),
    createTopics: (topics: Parameters<Broker["createTopics"]>[0]) => broker.createTopics(topics),
    listOffsets: (places: Parameters<Broker["listOffsets"]>[0]) => broker.listOffsets(places),
    fetch: (request: Parameters<Broker["fetch"]>[0]) => broker.fetch(request),
    close: () => broker.close(),
  } as unknown as Broker;
}

function held(producer: Producer, world: IngestWorld): Producer {
  return {
    send: async (batches: Parameters<Producer["send"]>[0]) => {
      world.sends.push(batches.map(({ batch }) => batch.count));
      await world.hold();
      return await producer.send(batches);
    },
    close: () => producer.close(),
  } as unknown as Producer;
}
