import { MillraceError } from "../../schemas/errors.ts";
import { airportZone } from "./airport-zones.ts";
import { type Airport, fileEnd, fileStart } from "./flights-file.ts";
import { ZoneClock } from "./zone-clock.ts";

const marginMs = 31 * 86_400_000;

/** The clock of each airport: position → IANA zone → offsets during the time of the data set. */
export class AirportClocks {
  readonly #zones = new Map<string, string>();
  readonly #clocks = new Map<string, ZoneClock>();

  constructor(airports: readonly Airport[]) {
    for (const { iata, latitude, longitude } of airports) {
      this.#zones.set(iata, airportZone(iata, latitude, longitude));
    }
  }

  /**
   * @throws {MillraceError} APPLICATION_REFUSED when the list of airports has no such code.
   */
  zoneOf(iata: string): string {
    const zone = this.#zones.get(iata);
    if (zone === undefined) {
      const reason = `The airport "${iata}" of a flight is not in airports.csv: reinstall vega-datasets.`;
      throw new MillraceError("APPLICATION_REFUSED", { reason });
    }
    return zone;
  }

  of(iata: string): ZoneClock {
    const zone = this.zoneOf(iata);
    let clock = this.#clocks.get(zone);
    if (clock === undefined) {
      clock = new ZoneClock(zone, fileStart - marginMs, fileEnd + marginMs);
      this.#clocks.set(zone, clock);
    }
    return clock;
  }
}
