const dayMs = 86_400_000;
/** 1 January 1970 was a Thursday: 4 by ISO 8601. */
const epochWeekday = 4;

/** Hour and ISO weekday of a wall clock that is written as if it were UTC. */
export function setLocalClock(
  record: { localHour: number; localWeekday: number },
  localTime: number,
): void {
  const days = Math.floor(localTime / dayMs);
  record.localHour = Math.floor((localTime - days * dayMs) / 3_600_000);
  record.localWeekday = ((((days + epochWeekday - 1) % 7) + 7) % 7) + 1;
}
