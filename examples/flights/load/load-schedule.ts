/** A time in which a partition of both source topics gets no generated flights. */
export interface Silence {
  readonly partition: number;
  /** From the start of the load on, ms. */
  readonly startMs: number;
  readonly lengthMs: number;
}

/** Flights that went out before, as the topics say. */
export interface FlightsBefore {
  /** Highest number sent. */
  readonly flightId: number;
  /** Its departure, UTC ms. */
  readonly departedAt: number;
}

export interface LoadScheduleOptions {
  /** Events a second, both topics together: each flight is two. */
  readonly rate: number;
  /** Departure of the first flight, UTC ms. */
  readonly start: number;
  /** Departure to arrival, ms. */
  readonly flightTimeMs: number;
  /** Where an earlier load ended; its flights still arrive. null: there was none. */
  readonly before: FlightsBefore | null;
  readonly silences: readonly Silence[];
}

/**
 * When each flight departs and arrives: a function of its options, whatever is sent when. The
 * flights of an earlier load at the same rate arrive at their time, or at the start when that is
 * over.
 */
export class LoadSchedule {
  /** Number of the first flight that departs. */
  readonly firstFlight: number;
  readonly #options: LoadScheduleOptions;
  readonly #intervalMs: number;

  constructor(options: LoadScheduleOptions) {
    if (!(options.rate > 0)) throw new RangeError("a load has a rate above 0");
    this.#options = options;
    this.#intervalMs = 2_000 / options.rate;
    this.firstFlight = options.before === null ? 0 : options.before.flightId + 1;
  }

  get start(): number {
    return this.#options.start;
  }

  /** UTC ms. */
  departureOf(flight: number): number {
    const { before, start } = this.#options;
    if (before !== null && flight <= before.flightId) {
      return Math.floor(before.departedAt - (before.flightId - flight) * this.#intervalMs);
    }
    return Math.floor(start + (flight - this.firstFlight) * this.#intervalMs);
  }

  /** UTC ms. */
  arrivalOf(flight: number): number {
    const { start, flightTimeMs } = this.#options;
    return Math.max(start, this.departureOf(flight) + flightTimeMs);
  }

  /** First flight that departs at or after a time. */
  departingFrom(time: number): number {
    const elapsed = Math.max(0, time - this.#options.start);
    let flight = this.firstFlight + Math.floor(elapsed / this.#intervalMs);
    while (this.departureOf(flight) < time) flight++;
    return flight;
  }

  /** The oldest flight that may still be on its way when the load starts. */
  oldestInTheAir(): number {
    const spans = Math.ceil((this.#options.flightTimeMs + 1_000) / this.#intervalMs);
    return Math.max(0, this.firstFlight - spans);
  }

  /** Whether a partition gets nothing at a time. */
  isSilent(partition: number, time: number): boolean {
    const { silences, start } = this.#options;
    for (const silence of silences) {
      const from = start + silence.startMs;
      if (silence.partition === partition && time >= from && time < from + silence.lengthMs) {
        return true;
      }
    }
    return false;
  }
}
