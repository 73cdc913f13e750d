import { partitionOf } from "../../schemas/murmur2.ts";
import type { FlightBatches } from "./flight-batches.ts";
import { setLocalClock } from "./local-clock.ts";
import { departureKind, type StepEvents } from "./replay-steps.ts";

/** Adds the records of a step, each to the partition of its key. */
export function addStep(
  batches: FlightBatches,
  { blocks, rows, kinds }: StepEvents,
  partitions: number,
): void {
  const { departure, arrival } = batches;
  for (const [at, flights] of blocks.entries()) {
    const row = rows[at] as number;
    const key = String(flights.flightId[row]);
    const partition = partitionOf(key, partitions);
    if (kinds[at] === departureKind) {
      departure.flightId = flights.flightId[row] as number;
      departure.departedAt = flights.departedAt[row] as number;
      departure.origin = flights.origin[row] as string;
      departure.destination = flights.destination[row] as string;
      departure.distanceMiles = flights.distanceMiles[row] as number;
      setLocalClock(departure, flights.localTime[row] as number);
      batches.addDeparture(key, partition);
    } else {
      arrival.flightId = flights.flightId[row] as number;
      arrival.arrivedAt = flights.arrivedAt[row] as number;
      arrival.origin = flights.origin[row] as string;
      arrival.destination = flights.destination[row] as string;
      arrival.delayMinutes = flights.delayMinutes[row] as number;
      batches.addArrival(key, partition);
    }
  }
}
