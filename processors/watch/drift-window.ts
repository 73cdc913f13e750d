/**
 * Of a window in which the model changed, the part of a version is judged when it holds at least
 * this share of the rows: the first hour of a day is not like the day.
 */
export const minPartShare = 0.25;

/** A closed window of a detector as published, or the part of it that one version predicted. */
export interface DriftWindow {
  readonly kind: "features" | "performance";
  /** UTC ms, `[windowStart, windowEnd)`. */
  readonly windowStart: number;
  readonly windowEnd: number;
  readonly rows: number;
  readonly feature: string | null;
  /** NaN where too few rows, too small a part of a window or a poor reference allow none. */
  readonly statistic: number;
  readonly threshold: number;
  readonly alarm: boolean;
  /**
   * The version that made the predictions; of features that whose training rows they are held
   * against. null where no version made any.
   */
  readonly version: string | null;
}

/** What the parts of a window say together: its newest version is what a training would replace. */
export function alarmOf(parts: readonly DriftWindow[]): boolean {
  const newest = parts.at(-1)?.version;
  return parts.some(({ version, alarm }) => alarm && version === newest);
}

/** Start of the window that holds an instant: multiples of its length from 1970, so UTC days. */
export function windowStartOf(instant: number, overMs: number): number {
  return Math.floor(instant / overMs) * overMs;
}
