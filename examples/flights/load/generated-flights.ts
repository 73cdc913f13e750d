import { draw } from "../seeded.ts";
import { distanceMiles, loadAirports } from "./airports.ts";

/** What is known of a generated flight as it departs, apart from its times. */
export interface GeneratedRoute {
  flightId: number;
  origin: string;
  destination: string;
  distanceMiles: number;
  /** Hours that the clock of the origin is ahead of UTC. */
  utcHours: number;
}

/** A generated flight, apart from its times. */
export interface GeneratedFlight extends GeneratedRoute {
  delayMinutes: number;
}

/** What a draw is for; apart from the purposes of injections. */
const purposes = { origin: 11, destination: 12, base: 13, swing: 14, noise: 15, tail: 16 } as const;

/** Flights between two values of an airport's swing. */
const swingFlights = 60_000;

/** Mean delay with no trouble anywhere, minutes. */
const quietMinutes = -16;

/**
 * Flights by number: a function of (seed, number), so that whoever knows the seed knows what was
 * sent. Each airport has a delay of its own that lasts and one that swings; a flight gets those of
 * both its ends, more on long routes, and noise: recent delays of an airport say something about
 * the next one.
 */
export class GeneratedFlights {
  readonly #seed: number;
  readonly #distances: readonly (readonly number[])[];
  readonly #flight: GeneratedFlight = {
    flightId: 0,
    origin: "",
    destination: "",
    distanceMiles: 0,
    utcHours: 0,
    delayMinutes: 0,
  };

  constructor(seed: number) {
    this.#seed = seed;
    this.#distances = loadAirports.map((a) => loadAirports.map((b) => distanceMiles(a, b)));
  }

  /** The flight of a number; one object, reused by the next call. */
  at(flightId: number): GeneratedFlight {
    const { origin, destination } = this.#place(flightId);
    const flight = this.#flight;
    flight.delayMinutes = this.#delayMinutes(origin, destination, flight.distanceMiles, flightId);
    return flight;
  }

  /** As `at`, but for the delay, which takes ten times as many draws. */
  routeAt(flightId: number): GeneratedRoute {
    this.#place(flightId);
    return this.#flight;
  }

  /** Its airports, by their places among all. */
  #place(flightId: number): { readonly origin: number; readonly destination: number } {
    const flight = this.#flight;
    const count = loadAirports.length;
    const origin = Math.floor(draw(this.#seed, purposes.origin, 0, flightId) * count);
    const step = 1 + Math.floor(draw(this.#seed, purposes.destination, 0, flightId) * (count - 1));
    const destination = (origin + step) % count;
    const from = loadAirports[origin];
    const to = loadAirports[destination];
    const distance = this.#distances[origin]?.[destination];
    if (from === undefined || to === undefined || distance === undefined) {
      throw new RangeError(`no airport ${origin} or ${destination}`);
    }
    flight.flightId = flightId;
    flight.origin = from.code;
    flight.destination = to.code;
    flight.distanceMiles = distance;
    flight.utcHours = from.utcHours;
    return { origin, destination };
  }

  #delayMinutes(origin: number, destination: number, distance: number, flight: number): number {
    const trouble = this.#trouble(origin, flight) + 0.6 * this.#trouble(destination, flight);
    const noise = 10 * this.#normal(flight);
    const tail = draw(this.#seed, purposes.tail, 0, flight);
    // One in twenty is held up by something of its own.
    const own = tail < 0.05 ? 20 + 800 * tail : 0;
    return Math.round(quietMinutes + trouble + distance / 500 + noise + own);
  }

  /** Minutes that an airport adds: most of it for good, some of it for a while. */
  #trouble(airport: number, flight: number): number {
    const lasting = 25 * draw(this.#seed, purposes.base, airport, 0) ** 3;
    const at = flight / swingFlights;
    const before = Math.floor(at);
    const left = draw(this.#seed, purposes.swing, airport, before);
    const right = draw(this.#seed, purposes.swing, airport, before + 1);
    return lasting + 8 * (left + (right - left) * (at - before));
  }

  /** Standard normal, by twelve draws less six. */
  #normal(flight: number): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += draw(this.#seed, purposes.noise, i, flight);
    return sum;
  }
}
