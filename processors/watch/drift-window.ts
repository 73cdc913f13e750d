/** A closed window of a detector, as published. */
export interface DriftWindow {
  readonly kind: "features" | "performance";
  /** UTC ms, `[windowStart, windowEnd)`. */
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly rows: number;
  readonly feature: string | null;
  /** NaN where too few rows allow none. */
  readonly statistic: number;
  readonly threshold: number;
  readonly alarm: boolean;
  readonly version: string | null;
}

/** Start of the window that holds an instant: multiples of its length from 1970, so UTC days. */
export function windowStartOf(instant: number, overMs: number): number {
  return Math.floor(instant / overMs) * overMs;
}
