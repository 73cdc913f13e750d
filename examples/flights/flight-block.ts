/**
 * Flights as columns; row i of every column is one flight. Times are ms: `localTime` is the clock
 * of the origin written as if it were UTC, `departedAt` and `arrivedAt` are UTC.
 */
export interface FlightBlock {
  readonly size: number;
  readonly flightId: Float64Array;
  readonly localTime: Float64Array;
  readonly departedAt: Float64Array;
  readonly arrivedAt: Float64Array;
  readonly distanceMiles: Int32Array;
  readonly delayMinutes: Int32Array;
  readonly origin: string[];
  readonly destination: string[];
}

export function createFlightBlock(size: number): FlightBlock {
  return {
    size,
    flightId: new Float64Array(size),
    localTime: new Float64Array(size),
    departedAt: new Float64Array(size),
    arrivedAt: new Float64Array(size),
    distanceMiles: new Int32Array(size),
    delayMinutes: new Int32Array(size),
    origin: new Array<string>(size).fill(""),
    destination: new Array<string>(size).fill(""),
  };
}

/** Copies one flight between blocks. */
export function copyFlight(from: FlightBlock, row: number, to: FlightBlock, at: number): void {
  to.flightId[at] = from.flightId[row] as number;
  to.localTime[at] = from.localTime[row] as number;
  to.departedAt[at] = from.departedAt[row] as number;
  to.arrivedAt[at] = from.arrivedAt[row] as number;
  to.distanceMiles[at] = from.distanceMiles[row] as number;
  to.delayMinutes[at] = from.delayMinutes[row] as number;
  to.origin[at] = from.origin[row] as string;
  to.destination[at] = from.destination[row] as string;
}

/** How long a flight takes from gate to gate, ms: 30 min + distance / 7.5 miles a minute. */
export function flightDurationMs(distanceMiles: number): number {
  return Math.round((30 + distanceMiles / 7.5) * 60_000);
}

/** No flight of the data set is longer (4,962 miles take 11 h 32 min). */
export const longestFlightMs = 24 * 3_600_000;
