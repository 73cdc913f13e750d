import { SharedArray } from "k6/data";
import { GeneratedFlights } from "../../examples/flights/load/generated-flights.ts";
import { setLocalClock } from "../../examples/flights/local-clock.ts";
import { seconds, setting } from "./settings.js";

const hourMs = 3_600_000;
/** Departure to arrival. */
const flightSeconds = seconds(setting("FLIGHT_TIME", "5s"));
/** Flights that are generated before the load and taken in turn: a draw is dear in k6. */
const generated = 4_096;

export const departures = "flights.departures";
export const arrivals = "flights.arrivals";

/** Once for all VUs. */
const flights = new SharedArray("flights", () => {
  const source = new GeneratedFlights(1);
  return Array.from({ length: generated }, (_, number) => ({ ...source.at(number) }));
});

function flightAt(iteration) {
  const flight = flights[iteration % generated];
  if (flight === undefined) throw new RangeError(`no flight ${iteration}`);
  return flight;
}

/** The events of the first flights that `--rate` of a live run would send, one at a time. */
export class FlightEvents {
  /** Iterations from a departure to its arrival. */
  #lag;

  constructor(flightsPerSecond) {
    this.#lag = Math.round(flightSeconds * flightsPerSecond);
  }

  /** The departure of the flight of an iteration, now. */
  departure(iteration, firstId) {
    const { origin, destination, distanceMiles, utcHours } = flightAt(iteration);
    const departedAt = Date.now();
    const flight = { flightId: firstId + iteration, departedAt, origin, destination };
    const event = { ...flight, distanceMiles, localHour: 0, localWeekday: 1 };
    setLocalClock(event, departedAt + utcHours * hourMs);
    return event;
  }

  /** The arrival, now, of the flight that departed a flight time before; null: there was none. */
  arrival(iteration, firstId) {
    const flight = iteration - this.#lag;
    if (flight < 0) return null;
    const { origin, destination, delayMinutes } = flightAt(flight);
    return { flightId: firstId + flight, arrivedAt: Date.now(), origin, destination, delayMinutes };
  }
}
