import type { OfflineStore } from "../../sinks/store.ts";
import { AirportClocks } from "./airport-clocks.ts";
import { type FlightSource, parquetFlights } from "./flight-source.ts";
import { flightFiles, readAirports } from "./flights-file.ts";

/** The data set as installed, read through an engine that sees the files of this machine. */
export function openFlights(files: Pick<OfflineStore, "queryStream">): FlightSource {
  const { flights, airports } = flightFiles();
  return parquetFlights(files, flights, new AirportClocks(readAirports(airports)));
}
