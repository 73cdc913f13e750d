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

/**
 * Drawn once for all VUs. Each element of a shared array is read from JSON whenever it is taken, so
 * that a VU takes all at once, as a text, and keeps them as columns.
 */
const drawn = new SharedArray("flights", () => {
  const source = new GeneratedFlights(1);
  const flights = Array.from({ length: generated }, (_, number) => ({ ...source.at(number) }));
  const columns = Object.keys(source.at(0)).map((name) => [
    name,
    flights.map((each) => each[name]),
  ]);
  return [JSON.stringify(Object.fromEntries(columns))];
});
const flights = JSON.parse(drawn[0] ?? "");

/** The events of the first flights that `--rate` of a live run would send, one at a time. */
export class FlightEvents {
  /** Iterations from a departure to its arrival. */
  #lag;

  constructor(flightsPerSecond) {
    this.#lag = Math.round(flightSeconds * flightsPerSecond);
  }

  /** The departure of the flight of an iteration, now. */
  departure(iteration, firstId) {
    const at = iteration % generated;
    const departedAt = Date.now();
    const event = {
      flightId: firstId + iteration,
      departedAt,
      origin: flights.origin[at],
      destination: flights.destination[at],
      distanceMiles: flights.distanceMiles[at],
      localHour: 0,
      localWeekday: 1,
    };
    setLocalClock(event, departedAt + flights.utcHours[at] * hourMs);
    return event;
  }

  /** The arrival, now, of the flight that departed a flight time before; null: there was none. */
  arrival(iteration, firstId) {
    const flight = iteration - this.#lag;
    if (flight < 0) return null;
    const at = flight % generated;
    return {
      flightId: firstId + flight,
      arrivedAt: Date.now(),
      origin: flights.origin[at],
      destination: flights.destination[at],
      delayMinutes: flights.delayMinutes[at],
    };
  }
}
