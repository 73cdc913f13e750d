import { setTimeout as sleep } from "node:timers/promises";
import type { Broker, Producer } from "../../../broker/broker.ts";
import { AvroEncoder } from "../../../runtime/schema-registry/avro-codec.ts";
import type { SchemaRegistry } from "../../../runtime/schema-registry/registry.ts";
import { MillraceError } from "../../../schemas/errors.ts";
import { partitionOf } from "../../../schemas/murmur2.ts";
import { arrival, departure } from "../../../topologies/flights/generated.ts";
import { FlightBatches } from "../flight-batches.ts";
import { setLocalClock } from "../local-clock.ts";
import { flightTopics } from "../replay.ts";
import {
  type GeneratedFlight,
  GeneratedFlights,
  type GeneratedRoute,
} from "./generated-flights.ts";
import { lastFlights } from "./last-flights.ts";
import { LoadSchedule, type Silence } from "./load-schedule.ts";

export interface LoadOptions {
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  /** Partitions of the source topics, which exist already. */
  readonly partitions: number;
  readonly seed: number;
  /** Events a second, both topics together. */
  readonly rate: number;
  readonly flightTimeMs: number;
  /** @default nothing is silent */
  readonly silences?: readonly Silence[];
  /** Nothing with an event time at or after it is sent, UTC ms; null: on and on. */
  readonly until: number | null;
  readonly signal: AbortSignal;
  /** UTC ms. @default Date.now */
  readonly now?: () => number;
}

export interface LoadReport {
  readonly departures: number;
  readonly arrivals: number;
  /** How long an event waited for its turn at most, ms after its time. */
  readonly behindMsMax: number;
  /** Events that were sent more than a second after their time. */
  readonly behindOneSecond: number;
}

/** Time between two sendings, ms. */
const tickMs = 10;
/** Events of one sending at most, so that a batch stays small when it has fallen behind. */
const tickEventsMost = 5_000;
const behindMs = 1_000;
/** Times in a row that it goes on from the topics after a sending whose end is unknown. */
const maxRestarts = 5;

/**
 * Sends flights at a rate, each at its time: what is slow to take them does not slow them down
 * (open loop), and an event keeps the time that it should have had. Started again it goes on from
 * what stands in the topics, so that each flight is sent once.
 */
export class LoadGenerator {
  readonly schedule: LoadSchedule;
  readonly #options: LoadOptions;
  readonly #now: () => number;
  readonly #flights: GeneratedFlights;
  readonly #batches: FlightBatches;
  #producer: Producer;
  /** By partition the last flight sent before this start. */
  #departed: readonly number[];
  #arrived: readonly number[];
  #nextDeparture: number;
  #nextArrival: number;
  #report = { departures: 0, arrivals: 0, behindMsMax: 0, behindOneSecond: 0 };

  private constructor(
    options: LoadOptions,
    schedule: LoadSchedule,
    batches: FlightBatches,
    producer: Producer,
    sent: SentBefore,
  ) {
    this.#options = options;
    this.schedule = schedule;
    this.#now = options.now ?? Date.now;
    this.#flights = new GeneratedFlights(options.seed);
    this.#batches = batches;
    this.#producer = producer;
    this.#departed = sent.departed;
    this.#arrived = sent.arrived;
    // The last sending before may have reached some partitions and not others.
    const lastTick = Math.ceil((options.rate * behindMs) / 2_000);
    this.#nextDeparture = Math.max(0, schedule.firstFlight - lastTick);
    this.#nextArrival = schedule.oldestInTheAir();
  }

  /** Reads how far an earlier load came. The first flight departs at once. */
  static async open(options: LoadOptions): Promise<LoadGenerator> {
    const { broker, registry, partitions, rate, flightTimeMs, silences = [] } = options;
    const [departures, arrivals] = flightTopics;
    const ids = {
      departures: await registry.register(`${departures}-value`, departure),
      arrivals: await registry.register(`${arrivals}-value`, arrival),
    };
    const batches = new FlightBatches(
      { name: departures, encoder: new AvroEncoder(departure, ids.departures) },
      { name: arrivals, encoder: new AvroEncoder(arrival, ids.arrivals) },
      partitions,
    );
    const sent = await sentBefore(options);
    const start = (options.now ?? Date.now)();
    const schedule = new LoadSchedule({
      rate,
      start,
      flightTimeMs,
      before: sent.last,
      silences,
    });
    const producer = await broker.producer({ transactionalId: null });
    return new LoadGenerator(options, schedule, batches, producer, sent);
  }

  get report(): LoadReport {
    return { ...this.#report };
  }

  /** Sends until `until` or the signal. */
  async run(): Promise<LoadReport> {
    const { signal, until } = this.#options;
    for (let restarts = 0; !signal.aborted; ) {
      const now = this.#now();
      const end = Math.min(now, until ?? now);
      try {
        const full = await this.#tick(end, now);
        restarts = 0;
        if (full) continue;
      } catch (error) {
        if (!isUnsure(error) || ++restarts > maxRestarts) throw error;
        await this.#goOn();
        continue;
      }
      if (until !== null && now >= until) break;
      await sleep(tickMs, undefined, { signal }).catch(() => {});
    }
    return this.report;
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }

  /** Sends what is due before `end`; true when there is more. */
  async #tick(end: number, now: number): Promise<boolean> {
    const before = { departure: this.#nextDeparture, arrival: this.#nextArrival };
    const counts = { ...this.#report };
    const more = this.#addDepartures(end, now, counts) || this.#addArrivals(end, now, counts);
    const batches = this.#batches.take();
    if (batches.length > 0) {
      try {
        await this.#producer.send(batches);
      } catch (error) {
        this.#nextDeparture = before.departure;
        this.#nextArrival = before.arrival;
        throw error;
      }
    }
    this.#report = counts;
    return more;
  }

  #addDepartures(end: number, now: number, counts: Counts): boolean {
    const { schedule } = this;
    for (let events = 0; ; this.#nextDeparture++) {
      const flight = this.#nextDeparture;
      const time = Math.max(schedule.start, schedule.departureOf(flight));
      if (time >= end) return false;
      if (events >= tickEventsMost) return true;
      const key = String(flight);
      const partition = partitionOf(key, this.#options.partitions);
      if (flight <= (this.#departed[partition] as number)) continue;
      if (schedule.isSilent(partition, time)) continue;
      fillDeparture(this.#batches.departure, this.#flights.routeAt(flight), time);
      this.#batches.addDeparture(key, partition);
      counts.departures++;
      events++;
      late(counts, now - time);
    }
  }

  #addArrivals(end: number, now: number, counts: Counts): boolean {
    const { schedule } = this;
    for (let events = 0; ; this.#nextArrival++) {
      const flight = this.#nextArrival;
      const time = schedule.arrivalOf(flight);
      if (time >= end) return false;
      if (events >= tickEventsMost) return true;
      const key = String(flight);
      const partition = partitionOf(key, this.#options.partitions);
      if (flight <= (this.#arrived[partition] as number)) continue;
      if (schedule.isSilent(partition, time)) continue;
      // A flight that did not depart does not arrive.
      if (schedule.isSilent(partition, schedule.departureOf(flight))) continue;
      fillArrival(this.#batches.arrival, this.#flights.at(flight), time);
      this.#batches.addArrival(key, partition);
      counts.arrivals++;
      events++;
      late(counts, now - time);
    }
  }

  /** Finds out what of the last sending stands, and goes on behind it. */
  async #goOn(): Promise<void> {
    await this.#producer.close().catch(() => {});
    const sent = await sentBefore(this.#options);
    this.#departed = sent.departed;
    this.#arrived = sent.arrived;
    this.#producer = await this.#options.broker.producer({ transactionalId: null });
  }
}

const hourMs = 3_600_000;

function fillDeparture(
  departure: FlightBatches["departure"],
  flight: GeneratedRoute,
  departedAt: number,
): void {
  departure.flightId = flight.flightId;
  departure.departedAt = departedAt;
  departure.origin = flight.origin;
  departure.destination = flight.destination;
  departure.distanceMiles = flight.distanceMiles;
  setLocalClock(departure, departedAt + flight.utcHours * hourMs);
}

function fillArrival(
  arrival: FlightBatches["arrival"],
  flight: GeneratedFlight,
  arrivedAt: number,
): void {
  arrival.flightId = flight.flightId;
  arrival.arrivedAt = arrivedAt;
  arrival.origin = flight.origin;
  arrival.destination = flight.destination;
  arrival.delayMinutes = flight.delayMinutes;
}

type Counts = { -readonly [Name in keyof LoadReport]: LoadReport[Name] };

function late(counts: Counts, behind: number): void {
  if (behind > counts.behindMsMax) counts.behindMsMax = behind;
  if (behind > behindMs) counts.behindOneSecond++;
}

/** What stands in the topics. */
interface SentBefore {
  /** By partition the last flight; −1: none. */
  readonly departed: readonly number[];
  readonly arrived: readonly number[];
  /** The last departure of all. */
  readonly last: { readonly flightId: number; readonly departedAt: number } | null;
}

async function sentBefore({ broker, registry, partitions }: LoadOptions): Promise<SentBefore> {
  const [departures, arrivals] = flightTopics;
  const departed = await lastFlights(
    broker,
    registry,
    departures,
    departure,
    "departedAt",
    partitions,
  );
  const arrived = await lastFlights(broker, registry, arrivals, arrival, "arrivedAt", partitions);
  let last: SentBefore["last"] = null;
  for (const each of departed) {
    if (each === null || each.flightId <= (last?.flightId ?? -1)) continue;
    last = { flightId: each.flightId, departedAt: each.eventTime };
  }
  const idOf = (each: { flightId: number } | null) => each?.flightId ?? -1;
  return { departed: departed.map(idOf), arrived: arrived.map(idOf), last };
}

function isUnsure(error: unknown): boolean {
  return error instanceof MillraceError && error.code !== "BROKER_CLOSED";
}
