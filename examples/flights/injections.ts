import { parseTime } from "../../runtime/config/setting-types.ts";
import { durationMs } from "../../schemas/duration.ts";
import { MillraceError } from "../../schemas/errors.ts";

/** Disturbances of the data set, as asked for with `--inject`; null or 0 where not asked for. */
export interface Injections {
  /** Flights departing at or after `at` get the delay of an earlier flight of their origin. */
  readonly shift: { readonly byMs: number; readonly at: number } | null;
  /** Delays of flights departing at or after this instant are permuted within UTC days. */
  readonly permuteAt: number | null;
  /** Records are sent up to this much after their event time, exclusive. */
  readonly disorderMs: number;
  /** Share of records sent too late for the lateness of their source. */
  readonly lateShare: number;
  /** Share of records sent twice. */
  readonly duplicateShare: number;
  readonly seed: number;
}

export const noInjections: Injections = Object.freeze({
  shift: null,
  permuteAt: null,
  disorderMs: 0,
  lateShare: 0,
  duplicateShare: 0,
  seed: 1,
});

/** What may be written after `--inject`. */
export const injectionForms =
  "shift-12h@YYYY-MM-DD, permute@YYYY-MM-DD, disorder:5m, late:1%, duplicates:1%";

/** An injection that cannot be used, and why. */
export interface InjectionProblem {
  readonly text: string;
  readonly reason: string;
}

/**
 * Reads injections as they are written on the command line, and what is wrong with each.
 *
 * @param latenessMs - lateness of the sources; more disorder than that would make records late.
 */
export function readInjections(
  texts: readonly string[],
  seed: number,
  latenessMs: number,
): { readonly injections: Injections; readonly problems: readonly InjectionProblem[] } {
  let injections: Injections = { ...noInjections, seed };
  const problems: InjectionProblem[] = [];
  const seen = new Set<string>();
  for (const text of texts) {
    const { kind, change, reason } = parseOne(text);
    const wrong =
      reason ??
      (seen.has(kind) ? `${kind} is given twice` : null) ??
      ((change.disorderMs ?? 0) > latenessMs
        ? `the sources admit records up to ${latenessMs / 60_000}m late`
        : null);
    seen.add(kind);
    if (wrong !== null) problems.push({ text, reason: wrong });
    else injections = { ...injections, ...change };
  }
  return { injections: Object.freeze(injections), problems };
}

/**
 * Reads injections that must all be understood.
 *
 * @throws {MillraceError} APPLICATION_REFUSED when one is not understood, or given twice.
 */
export function parseInjections(
  texts: readonly string[],
  seed: number,
  latenessMs: number,
): Injections {
  const { injections, problems } = readInjections(texts, seed, latenessMs);
  const [wrong] = problems;
  if (wrong === undefined) return injections;
  const { text, reason: why } = wrong;
  const reason = `The injection "${text}" cannot be used (${why}). Write one of: ${injectionForms}.`;
  throw new MillraceError("APPLICATION_REFUSED", { reason });
}

/** One text for equal sets of injections, to compare a run with an earlier one. */
export function injectionText(texts: readonly string[], seed: number): string {
  return texts.length === 0 ? "none" : `${[...texts].sort().join(" ")} seed ${seed}`;
}

/** One injection: what it changes, or why it cannot be read. */
interface Parsed {
  readonly kind: string;
  readonly change: Partial<Injections>;
  readonly reason: string | null;
}

function parseOne(text: string): Parsed {
  const [, word = "", mark = "", argument = ""] = /^([a-z]+(?:-\w+)?)([@:])(.+)$/.exec(text) ?? [];
  const by = word.startsWith("shift-") ? word.slice("shift-".length) : null;
  const kind = by === null ? word : "shift";
  const read = <T>(value: T | null, what: string, change: (value: T) => Partial<Injections>) =>
    value === null
      ? { kind, change: {}, reason: `"${argument}" is not ${what}` }
      : { kind, change: change(value), reason: null };
  switch (kind + mark) {
    case "shift@": {
      const byMs = by === null ? null : duration(by);
      if (byMs === null) return { kind, change: {}, reason: `"${by ?? ""}" is not a duration` };
      return read(day(argument), "a date", (at) => ({ shift: { byMs, at } }));
    }
    case "permute@":
      return read(day(argument), "a date", (permuteAt) => ({ permuteAt }));
    case "disorder:":
      return read(duration(argument), "a duration", (disorderMs) => ({ disorderMs }));
    case "late:":
      return read(share(argument), "a percentage", (lateShare) => ({ lateShare }));
    case "duplicates:":
      return read(share(argument), "a percentage", (duplicateShare) => ({ duplicateShare }));
    default:
      return { kind, change: {}, reason: "there is no such injection" };
  }
}

function duration(text: string): number | null {
  try {
    return durationMs(text);
  } catch {
    return null;
  }
}

function day(text: string): number | null {
  return /^\d{4}-\d\d-\d\d$/.test(text) ? parseTime(text) : null;
}

function share(text: string): number | null {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  const value = Number(percent) / 100;
  return percent === undefined || value > 1 ? null : value;
}
