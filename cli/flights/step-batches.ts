import { partitionOf } from "../../processors/murmur2.ts";
import type { ProducerBatch } from "../../runtime/broker/broker.ts";
import { RecordBatchBuilder } from "../../runtime/broker/record-batch/builder.ts";
import type { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { Arrival, Departure } from "../../schemas/generated.ts";
import { departureKind, type StepEvents } from "./replay-steps.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One of the two topics of flights, and how its values are written. */
export interface FlightTopic {
  readonly name: string;
  readonly encoder: AvroEncoder;
}

/** Encodes the records of a step: one batch a topic and partition, buffers reused. */
export class StepBatches {
  readonly #departures: FlightTopic;
  readonly #arrivals: FlightTopic;
  readonly #partitions: number;
  readonly #builders = new Map<string, RecordBatchBuilder[]>();
  readonly #key = Buffer.alloc(20);
  readonly #value = new ByteWriter(1024);
  readonly #departure: Mutable<Departure> = {
    flightId: 0,
    departedAt: 0,
    origin: "",
    destination: "",
    distanceMiles: 0,
    localHour: 0,
    localWeekday: 1,
  };
  readonly #arrival: Mutable<Arrival> = {
    flightId: 0,
    arrivedAt: 0,
    origin: "",
    destination: "",
    delayMinutes: 0,
  };

  constructor(departures: FlightTopic, arrivals: FlightTopic, partitions: number) {
    this.#departures = departures;
    this.#arrivals = arrivals;
    this.#partitions = partitions;
    for (const { name } of [departures, arrivals]) {
      this.#builders.set(
        name,
        Array.from({ length: partitions }, () => new RecordBatchBuilder()),
      );
    }
  }

  /** Batches of all records of a step, in rounds of at most one a partition. */
  encode({ blocks, rows, kinds }: StepEvents): ProducerBatch[] {
    for (let at = 0; at < rows.length; at++) {
      const flights = blocks[at];
      const row = rows[at] as number;
      if (flights === undefined) continue;
      if (kinds[at] === departureKind) {
        const departure = this.#departure;
        departure.flightId = flights.flightId[row] as number;
        departure.departedAt = flights.departedAt[row] as number;
        departure.origin = flights.origin[row] as string;
        departure.destination = flights.destination[row] as string;
        departure.distanceMiles = flights.distanceMiles[row] as number;
        setLocalClock(departure, flights.localTime[row] as number);
        this.#append(this.#departures, departure, departure.flightId, departure.departedAt);
      } else {
        const arrival = this.#arrival;
        arrival.flightId = flights.flightId[row] as number;
        arrival.arrivedAt = flights.arrivedAt[row] as number;
        arrival.origin = flights.origin[row] as string;
        arrival.destination = flights.destination[row] as string;
        arrival.delayMinutes = flights.delayMinutes[row] as number;
        this.#append(this.#arrivals, arrival, arrival.flightId, arrival.arrivedAt);
      }
    }
    return this.#build();
  }

  #append({ name, encoder }: FlightTopic, value: object, id: number, eventTime: number): void {
    const key = String(id);
    const keyBytes = this.#key.write(key, 0, "latin1");
    this.#value.reset();
    encoder.encode(value as Record<string, unknown>, this.#value);
    this.#builders
      .get(name)
      ?.[partitionOf(key, this.#partitions)]?.appendSlices(
        this.#key,
        0,
        keyBytes,
        this.#value.buffer,
        0,
        this.#value.position,
        eventTime,
      );
  }

  #build(): ProducerBatch[] {
    const batches: ProducerBatch[] = [];
    for (const [topic, builders] of this.#builders) {
      for (const [partition, builder] of builders.entries()) {
        if (builder.count === 0) continue;
        batches.push({ topic, partition, batch: builder.build() });
        builder.reset();
      }
    }
    return batches;
  }
}

const dayMs = 86_400_000;
/** 1 January 1970 was a Thursday: 4 by ISO 8601. */
const epochWeekday = 4;

/** Hour and ISO weekday of a wall clock that is written as if it were UTC. */
export function setLocalClock(
  record: { localHour: number; localWeekday: number },
  localTime: number,
): void {
  const days = Math.floor(localTime / dayMs);
  record.localHour = Math.floor((localTime - days * dayMs) / 3_600_000);
  record.localWeekday = ((((days + epochWeekday - 1) % 7) + 7) % 7) + 1;
}
