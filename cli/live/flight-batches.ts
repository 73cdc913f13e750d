import type { ProducerBatch } from "../../runtime/broker/broker.ts";
import { RecordBatchBuilder } from "../../runtime/broker/record-batch/builder.ts";
import type { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import type { Arrival, Departure } from "../../schemas/generated.ts";
import { flightTopics } from "../flights/replay.ts";
import { setLocalClock } from "../flights/step-batches.ts";
import type { GeneratedFlight } from "./generated-flights.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const hourMs = 3_600_000;

/** Encodes generated flights: one batch a topic and partition, buffers reused. */
export class FlightBatches {
  readonly #encoders: { readonly departures: AvroEncoder; readonly arrivals: AvroEncoder };
  readonly #departures: readonly RecordBatchBuilder[];
  readonly #arrivals: readonly RecordBatchBuilder[];
  readonly #key = Buffer.alloc(20);
  readonly #value = new ByteWriter(256);
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

  constructor(
    encoders: { readonly departures: AvroEncoder; readonly arrivals: AvroEncoder },
    partitions: number,
  ) {
    const builders = () => Array.from({ length: partitions }, () => new RecordBatchBuilder());
    this.#encoders = encoders;
    this.#departures = builders();
    this.#arrivals = builders();
  }

  addDeparture(flight: GeneratedFlight, key: string, partition: number, departedAt: number): void {
    const departure = this.#departure;
    departure.flightId = flight.flightId;
    departure.departedAt = departedAt;
    departure.origin = flight.origin;
    departure.destination = flight.destination;
    departure.distanceMiles = flight.distanceMiles;
    setLocalClock(departure, departedAt + flight.utcHours * hourMs);
    this.#value.reset();
    this.#encoders.departures.encode(departure, this.#value);
    this.#append(this.#departures[partition], key, departedAt);
  }

  addArrival(flight: GeneratedFlight, key: string, partition: number, arrivedAt: number): void {
    const arrival = this.#arrival;
    arrival.flightId = flight.flightId;
    arrival.arrivedAt = arrivedAt;
    arrival.origin = flight.origin;
    arrival.destination = flight.destination;
    arrival.delayMinutes = flight.delayMinutes;
    this.#value.reset();
    this.#encoders.arrivals.encode(arrival, this.#value);
    this.#append(this.#arrivals[partition], key, arrivedAt);
  }

  /** What was added since the last call. */
  take(): ProducerBatch[] {
    const batches: ProducerBatch[] = [];
    for (const [topic, builders] of [
      [flightTopics[0], this.#departures],
      [flightTopics[1], this.#arrivals],
    ] as const) {
      for (const [partition, builder] of builders.entries()) {
        if (builder.count === 0) continue;
        batches.push({ topic, partition, batch: builder.build() });
        builder.reset();
      }
    }
    return batches;
  }

  #append(builder: RecordBatchBuilder | undefined, key: string, eventTime: number): void {
    const keyBytes = this.#key.write(key, 0, "latin1");
    const { buffer, position } = this.#value;
    builder?.appendSlices(this.#key, 0, keyBytes, buffer, 0, position, eventTime);
  }
}
