import { MillraceError } from "./errors.ts";

type Unit = "ms" | "s" | "m" | "h" | "d";

/** A length of time as a topology writes it: a whole number and a unit, e.g. `"15m"`, `"36h"`. */
export type Duration = `${bigint}${Unit}`;

const form = /^([1-9]\d*)(ms|s|m|h|d)$/;

const unitMs: Record<Unit, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Milliseconds of a duration: at most 2^53 of them.
 *
 * @throws {MillraceError} BAD_DURATION when the text is not a positive whole number and a unit.
 * @example durationMs("15m") // 900000
 */
export function durationMs(text: string): number {
  const ms = read(text);
  if (ms === null) throw new MillraceError("BAD_DURATION", { text });
  return ms;
}

/** Whether a text is a duration. */
export function isDuration(text: string): boolean {
  return read(text) !== null;
}

function read(text: string): number | null {
  const match = form.exec(text);
  if (match === null) return null;
  const ms = Number(match[1]) * unitMs[match[2] as Unit];
  return Number.isSafeInteger(ms) ? ms : null;
}

const largestFirst = Object.entries(unitMs).toReversed();

/** Milliseconds in the largest unit that says them exactly, e.g. `600000` → `10m`. */
export function durationText(ms: number): string {
  const unit = largestFirst.find(([, length]) => ms > 0 && ms % length === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[1]}${unit[0]}`;
}
