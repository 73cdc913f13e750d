import { createFlightBlock, type FlightBlock, flightDurationMs } from "./flight-block.ts";
import type { FlightSource } from "./flight-source.ts";

/** One flight of a made-up source; times are ms after the source's start, in the origin's clock. */
export interface FlightFixture {
  readonly local: number;
  /** Offset of the origin's clock (local − UTC) in hours. */
  readonly zone: number;
  readonly origin?: string;
  readonly distance?: number;
  readonly delay?: number;
}

export const fixtureStart = Date.UTC(2001, 0, 1);
const dayMs = 86_400_000;

/** A source of given flights over a number of days, ids by order of local time. For tests. */
export function fixtureFlights(flights: readonly FlightFixture[], days: number): FlightSource {
  const sorted = [...flights].sort((a, b) => a.local - b.local);
  return {
    start: fixtureStart,
    end: fixtureStart + days * dayMs,
    localDay(localMidnight) {
      const from = localMidnight - fixtureStart;
      const ids = [...sorted.keys()].filter((id) => {
        const { local } = sorted[id] as FlightFixture;
        return local >= from && local < from + dayMs;
      });
      return Promise.resolve(blockOf(ids, sorted));
    },
  };
}

function blockOf(ids: readonly number[], flights: readonly FlightFixture[]): FlightBlock {
  const block = createFlightBlock(ids.length);
  for (const [row, id] of ids.entries()) {
    const { local, zone, origin, distance = 500, delay = 0 } = flights[id] as FlightFixture;
    block.flightId[row] = id;
    block.localTime[row] = fixtureStart + local;
    block.departedAt[row] = fixtureStart + local - zone * 3_600_000;
    block.arrivedAt[row] = (block.departedAt[row] as number) + flightDurationMs(distance);
    block.distanceMiles[row] = distance;
    block.delayMinutes[row] = delay;
    block.origin[row] = origin ?? "AAA";
    block.destination[row] = "BBB";
  }
  return block;
}
