import { GeneratedFlights } from "../../examples/flights/load/generated-flights.ts";
import { setLocalClock } from "../../examples/flights/local-clock.ts";

const hourMs = 3_600_000;

/** The records of the flights that `--rate` of a live run would send, one flight at a time. */
export class FlightEvents {
  #flights = new GeneratedFlights(1);
  #topics;
  /** Iterations from a departure to its arrival. */
  #lag;

  constructor(topics, flightTimeMs, flightsPerSecond) {
    this.#topics = topics;
    this.#lag = Math.round((flightTimeMs / 1_000) * flightsPerSecond);
  }

  /** The departure of one flight, and the arrival of the one that left a flight time before. */
  of(iteration, firstId, now) {
    /** @type {import("k6/x/millrace").Sending[]} */
    const records = [this.#departure(iteration, firstId, now)];
    if (iteration >= this.#lag) records.push(this.#arrival(iteration - this.#lag, firstId, now));
    return records;
  }

  #departure(flight, firstId, departedAt) {
    const { origin, destination, distanceMiles, utcHours } = this.#flights.at(flight);
    const flightId = firstId + flight;
    const value = {
      flightId,
      departedAt,
      origin,
      destination,
      distanceMiles,
      localHour: 0,
      localWeekday: 1,
    };
    setLocalClock(value, departedAt + utcHours * hourMs);
    const { name: topic, schema } = this.#topics.departures;
    return { topic, schema, key: String(flightId), value, answered: true };
  }

  #arrival(flight, firstId, arrivedAt) {
    const { origin, destination, delayMinutes } = this.#flights.at(flight);
    const flightId = firstId + flight;
    const value = { flightId, arrivedAt, origin, destination, delayMinutes };
    const { name: topic, schema } = this.#topics.arrivals;
    return { topic, schema, key: String(flightId), value, answered: false };
  }
}
