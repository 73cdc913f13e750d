import type { RowField, RowLayout } from "./row-layout.ts";

/** Replay: what a source takes for a jump to a wrong date, where it does not say, ms. */
export const usualMaxJumpMs = 48 * 3_600_000;

/** What a date of JavaScript holds, ms. */
const dateLimitMs = 8.64e15;

/** A time for people: ISO 8601, or milliseconds where it lies beyond all dates. */
export function timeText(ms: number): string {
  return Math.abs(ms) <= dateLimitMs ? new Date(ms).toISOString() : `${ms} ms`;
}

/** In what a whole number counts from 1970 on. */
export type TimeUnit = "s" | "ms" | "us" | "ns";

/** Name of the field that holds the timestamp of the Kafka record, where that is the time. */
export const recordTimeField = "recordTime";

const perMs = { s: 0.001, ms: 1, us: 1_000, ns: 1_000_000 } as const;

export const timeUnits: readonly string[] = Object.keys(perMs);

/** UTC ms of a number in a unit, rounded towards the past; anything else stays as it is. */
export function msOf(value: unknown, unit: TimeUnit): unknown {
  if (typeof value === "bigint") {
    const scaled = unit === "s" ? value * 1_000n : floored(value, BigInt(perMs[unit]));
    const near = Number(scaled);
    return Number.isSafeInteger(near) ? near : scaled;
  }
  if (typeof value !== "number") return value;
  return unit === "s" ? Math.floor(value * 1_000) : Math.floor(value / perMs[unit]);
}

function floored(value: bigint, by: bigint): bigint {
  const quotient = value / by;
  return value < 0n && quotient * by !== value ? quotient - 1n : quotient;
}

/** How a source says the time of its records, besides the field. */
export interface SourceTime {
  readonly timeField: string;
  /** The field is none of the format: it holds the timestamp of the Kafka record. */
  readonly recordTime?: true;
  /** The field is a number in this unit. @default it is a timestamp */
  readonly timeUnit?: TimeUnit;
}

/** The fields of the records of a source: its time is a timestamp, however it is written. */
export function timedLayout(
  layout: RowLayout,
  { timeField, recordTime, timeUnit }: SourceTime,
): RowLayout {
  const time: RowField = { name: timeField, type: "timestamp", nullable: false };
  if (recordTime === true) return { fields: [...layout.fields, time] };
  if (timeUnit === undefined) return layout;
  const timed = (field: RowField): RowField =>
    field.name === timeField && isNumber(field) ? { ...field, type: "timestamp" } : field;
  return { fields: layout.fields.map(timed) };
}

/** Whether a field may count in a unit. */
export function isNumber({ type }: RowField): boolean {
  return type === "integer" || type === "number";
}
