import { createRequire } from "node:module";

const lookup = createRequire(import.meta.url)("tz-lookup") as (
  latitude: number,
  longitude: number,
) => string;

/** Airports that the table of zones, rounded near borders, puts on the wrong side of one. */
const corrected: ReadonlyMap<string, string> = new Map([
  ["PSG", "America/Sitka"],
  ["WRG", "America/Sitka"],
]);

/** IANA zone of an airport, by its code and its position in degrees. */
export function airportZone(iata: string, latitude: number, longitude: number): string {
  return corrected.get(iata) ?? lookup(latitude, longitude);
}
