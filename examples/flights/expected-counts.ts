import type { FlightSource } from "./flight-source.ts";
import { departureKind, type ReplaySegment, replaySteps } from "./replay-steps.ts";

/** What a replay of a range sends to one topic. */
export interface TopicExpectation {
  readonly records: number;
  /** Records that must end as late. */
  readonly late: number;
  /** Second copies among the rest. */
  readonly duplicates: number;
}

export interface DayExpectation {
  /** UTC midnight. */
  readonly day: number;
  readonly departures: number;
  readonly arrivals: number;
  /** Arrivals more than 15 minutes late. */
  readonly lateArrivals: number;
}

export interface Expectation {
  readonly departures: TopicExpectation;
  readonly arrivals: TopicExpectation;
  /** By the day of the event, without second copies. */
  readonly days: readonly DayExpectation[];
}

const dayMs = 86_400_000;

/** Counts what a replay would send, without sending it. */
export async function expectedCounts(
  source: FlightSource,
  segment: ReplaySegment,
): Promise<Expectation> {
  const departures = { records: 0, late: 0, duplicates: 0 };
  const arrivals = { records: 0, late: 0, duplicates: 0 };
  const days = new Map<number, { departures: number; arrivals: number; lateArrivals: number }>();
  for await (const { events } of replaySteps(source, segment, Number.NEGATIVE_INFINITY)) {
    for (const [at, block] of events.blocks.entries()) {
      const row = events.rows[at] as number;
      const isDeparture = events.kinds[at] === departureKind;
      const isCopy = events.copies[at] === 1;
      const topic = isDeparture ? departures : arrivals;
      topic.records++;
      if (events.late[at]) topic.late++;
      else if (isCopy) topic.duplicates++;
      if (isCopy) continue;
      const time = (isDeparture ? block.departedAt[row] : block.arrivedAt[row]) as number;
      const key = Math.floor(time / dayMs) * dayMs;
      const day = days.get(key) ?? { departures: 0, arrivals: 0, lateArrivals: 0 };
      days.set(key, day);
      if (isDeparture) day.departures++;
      else day.arrivals++;
      if (!isDeparture && (block.delayMinutes[row] as number) > 15) day.lateArrivals++;
    }
  }
  return {
    departures,
    arrivals,
    days: [...days].sort(([a], [b]) => a - b).map(([day, counts]) => ({ day, ...counts })),
  };
}
