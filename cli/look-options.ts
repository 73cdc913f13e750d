import { parseTime } from "../runtime/config/setting-types.ts";

/** Options of looks that are no settings, read. */
export interface LookArguments {
  /** Event time of a look-up, UTC ms; null: how far the view is. */
  readonly at: number | null;
  /** The topology that is asked; null: none is named. */
  readonly topology: string | null;
  /** Dead letters to list at most. */
  readonly limit: number;
  /** Original bytes of a dead letter's key and value to show at most. */
  readonly bytes: number;
  /** What could not be read. */
  readonly problems: readonly string[];
}

/** Reads the options of looks, each if it is there; what is wrong is collected. */
export function readLookOptions(options: Readonly<Record<string, unknown>>): LookArguments {
  const problems: string[] = [];
  const whole = (name: string, least: number, most: number): number => {
    const text = options[name];
    const value = Number(text ?? least);
    if (Number.isSafeInteger(value) && value >= least && value <= most && text !== "") return value;
    const range = `from ${least} to ${most}`;
    problems.push(`--${name}: ${JSON.stringify(text)}: write a whole number ${range}`);
    return least;
  };
  const at = options["at"] === undefined ? null : parseTime(String(options["at"]));
  if (options["at"] !== undefined && at === null) {
    problems.push(`--at: ${JSON.stringify(options["at"])}: write a UTC time like 2026-01-15T06:00`);
  }
  return {
    at,
    topology: options["topology"] === undefined ? null : String(options["topology"]),
    limit: whole("limit", 1, 1_000_000),
    bytes: whole("bytes", 0, 1024 * 1024),
    problems,
  };
}
