import type { Broker } from "../../../broker/broker.ts";
import { RecordReader } from "../../../broker/record-batch/reader.ts";
import { AvroDecoder } from "../../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../../runtime/schema-registry/registry.ts";
import type { AvroSchema } from "../../../schemas/plan.ts";

const fetchBytes = 1024 * 1024;

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
  const reader = new RecordReader();
  let last: Record<string, unknown> | null = null;
  for (let offset = from; offset < end; ) {
    const [fetched] = await broker.fetch({
      partitions: [{ topic, partition, offset, maxBytes: fetchBytes }],
      isolation: "read_committed",
      maxWaitMs: 100,
      maxBytes: fetchBytes,
    });
    if (fetched === undefined) continue;
    reader.open(fetched, "read_committed");
    while (reader.next()) {
      const { buffer, valueStart, valueEnd } = reader;
      // What others sent and nobody can read is no flight.
      const value = await decoder.decodeAwaiting(buffer, valueStart, valueEnd).catch(() => null);
      if (value !== null) last = value;
    }
    offset = Math.max(offset + 1, reader.nextOffset);
  }
  return last;
}
