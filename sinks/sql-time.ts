/** An instant (UTC ms) as a literal of type DateTime64(3, 'UTC'). */
export function sqlTime(utc: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${Math.trunc(utc)}), 'UTC')`;
}
