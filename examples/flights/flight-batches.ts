import type { ProducerBatch } from "../../broker/broker.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import type { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { Arrival, Departure } from "../../topologies/flights/generated.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One of the two topics of flights, and how its values are written. */
export interface FlightTopic {
  readonly name: string;
  readonly encoder: AvroEncoder;
}

/** Encodes departures and arrivals: one batch a topic and partition, buffers reused. */
export class FlightBatches {
  /** To be filled before `addDeparture`. */
  readonly departure: Mutable<Departure> = {
    flightId: 0,
    departedAt: 0,
    origin: "",
    destination: "",
    distanceMiles: 0,
    localHour: 0,
    localWeekday: 1,
  };
  /** To be filled before `addArrival`. */
  readonly arrival: Mutable<Arrival> = {
    flightId: 0,
    arrivedAt: 0,
    origin: "",
    destination: "",
    delayMinutes: 0,
  };
  readonly #departures: FlightTopic;
  readonly #arrivals: FlightTopic;
  readonly #builders: ReadonlyMap<FlightTopic, readonly RecordBatchBuilder[]>;
  readonly #key = Buffer.alloc(20);
  readonly #value = new ByteWriter(1024);

  constructor(departures: FlightTopic, arrivals: FlightTopic, partitions: number) {
    this.#departures = departures;
    this.#arrivals = arrivals;
    const builders = () => Array.from({ length: partitions }, () => new RecordBatchBuilder());
    this.#builders = new Map([departures, arrivals].map((topic) => [topic, builders()]));
  }

  /** @param key - decimal text of its flightId. */
  addDeparture(key: string, partition: number): void {
    const { departure } = this;
    this.#add(this.#departures, departure, key, partition, departure.departedAt);
  }

  /** @param key - decimal text of its flightId. */
  addArrival(key: string, partition: number): void {
    const { arrival } = this;
    this.#add(this.#arrivals, arrival, key, partition, arrival.arrivedAt);
  }

  /** What was added since the last call. */
  take(): ProducerBatch[] {
    const batches: ProducerBatch[] = [];
    for (const [{ name: topic }, builders] of this.#builders) {
      for (const [partition, builder] of builders.entries()) {
        if (builder.count === 0) continue;
        batches.push({ topic, partition, batch: builder.build() });
        builder.reset();
      }
    }
    return batches;
  }

  #add(
    topic: FlightTopic,
    record: Departure | Arrival,
    key: string,
    partition: number,
    eventTime: number,
  ): void {
    const keyBytes = this.#key.write(key, 0, "latin1");
    this.#value.reset();
    topic.encoder.encode(record, this.#value);
    const { buffer, position } = this.#value;
    const builder = this.#builders.get(topic)?.[partition];
    builder?.appendSlices(this.#key, 0, keyBytes, buffer, 0, position, eventTime);
  }
}
