/** A text as a literal of ClickHouse's SQL. */
export function sqlText(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

/** An instant (UTC ms) as a literal of type DateTime64(3, 'UTC'). */
export function sqlTime(utc: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${Math.trunc(utc)}), 'UTC')`;
}
