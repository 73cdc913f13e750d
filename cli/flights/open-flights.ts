import type { OfflineStore } from "../../sinks/store.ts";
import { AirportClocks } from "./airport-clocks.ts";
import { type FlightSource, parquetFlights } from "./flight-source.ts";
import { flightFiles, readAirports } from "./flights-file.ts";

/** The data set as installed, read through an open offline store's engine. */
export function openFlights(offline: Pick<OfflineStore, "queryStream">): FlightSource {
  const { flights, airports } = flightFiles();
  return parquetFlights(offline, flights, new AirportClocks(readAirports(airports)));
}
