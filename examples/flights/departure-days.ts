import { copyFlight, createFlightBlock, type FlightBlock } from "./flight-block.ts";
import type { FlightSource } from "./flight-source.ts";

const dayMs = 86_400_000;

/** A UTC day and the flights that departed on it, by departure, then by id. */
export interface DepartureDay {
  readonly day: number;
  readonly flights: FlightBlock;
}

/**
 * Departures by UTC day, from local days: clocks differ from UTC by less than a day, so a UTC day
 * is complete once the local day after it is read. Holds three days of flights.
 *
 * @param from - UTC midnight of the first day.
 * @param to - UTC; days that begin at or after it are left out.
 */
export async function* departureDays(
  source: FlightSource,
  from: number,
  to: number,
): AsyncGenerator<DepartureDay> {
  let loaded: FlightBlock[] = [];
  const first = Math.max(from, source.start - dayMs);
  const end = Math.min(to, source.end + dayMs);
  const read = async (localDay: number) => {
    if (localDay >= source.start && localDay < source.end) {
      loaded.push(await source.localDay(localDay));
    }
  };
  for (let day = first; day < end; day += dayMs) {
    if (day === first) {
      await read(day - dayMs);
      await read(day);
    }
    await read(day + dayMs);
    yield { day, flights: select(loaded, day) };
    loaded = loaded.filter((block) => (block.localTime[0] ?? 0) >= day);
  }
}

function select(loaded: readonly FlightBlock[], day: number): FlightBlock {
  const found: { block: FlightBlock; row: number }[] = [];
  for (const block of loaded) {
    for (let row = 0; row < block.size; row++) {
      const departedAt = block.departedAt[row] as number;
      if (departedAt >= day && departedAt < day + dayMs) found.push({ block, row });
    }
  }
  const departure = ({ block, row }: (typeof found)[0]) => block.departedAt[row] as number;
  const id = ({ block, row }: (typeof found)[0]) => block.flightId[row] as number;
  found.sort((a, b) => departure(a) - departure(b) || id(a) - id(b));
  const flights = createFlightBlock(found.length);
  for (const [at, { block, row }] of found.entries()) copyFlight(block, row, flights, at);
  return flights;
}
