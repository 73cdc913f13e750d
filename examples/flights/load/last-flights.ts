import type { Broker } from "../../../broker/broker.ts";
import { committedPages } from "../../../broker/committed-records.ts";
import { AvroDecoder } from "../../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../../runtime/schema-registry/registry.ts";
import type { AvroSchema } from "../../../schemas/plan.ts";

/** The last flight of a partition. */
export interface LastFlight {
  readonly flightId: number;
  /** UTC ms. */
  readonly eventTime: number;
}

/** The last flight of each partition of a topic; null where there is none. */
export async function lastFlights(
  broker: Broker,
  registry: SchemaRegistry,
  topic: string,
  schema: AvroSchema,
  timeField: string,
  partitions: number,
): Promise<(LastFlight | null)[]> {
  const decoder = new AvroDecoder(registry, schema);
  const found: (LastFlight | null)[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    const value = await lastValue(broker, decoder, topic, partition);
    found.push(
      value === null
        ? null
        : { flightId: Number(value["flightId"]), eventTime: Number(value[timeField]) },
    );
  }
  return found;
}

/** Goes back from the end, twice as far each time, until something can be read. */
async function lastValue(
  broker: Broker,
  decoder: AvroDecoder,
  topic: string,
  partition: number,
): Promise<Record<string, unknown> | null> {
  const place = { topic, partition };
  const [start = 0, end = 0] = await broker.listOffsets([
    { ...place, at: "earliest" },
    { ...place, at: "stable" },
  ]);
  for (let back = 1; end > start; back *= 2) {
    const from = Math.max(start, end - back);
    const value = await lastBetween(broker, decoder, topic, partition, from, end);
    if (value !== null || from === start) return value;
  }
  return null;
}

async function lastBetween(
  broker: Broker,
  decoder: AvroDecoder,
  topic: string,
  partition: number,
  from: number,
  end: number,
): Promise<Record<string, unknown> | null> {
  let last: Record<string, unknown> | null = null;
  for await (const page of committedPages(broker, topic, partition, { from, end })) {
    for (const { value } of page) {
      // What others sent and nobody can read is no flight.
      const read =
        value && (await decoder.decodeAwaiting(value, 0, value.length).catch(() => null));
      if (read !== null) last = read;
    }
  }
  return last;
}
