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

/**
 * Reads injections as they are written on the command line.
 *
 * @param latenessMs - lateness of the sources; more disorder than that would make records late.
 * @throws {MillraceError} INJECTION_INVALID when one is not understood, or given twice.
 */
export function parseInjections(
  texts: readonly string[],
  seed: number,
  latenessMs: number,
): Injections {
  let injections: Injections = { ...noInjections, seed };
  const seen = new Set<string>();
  for (const text of texts) {
    const [kind, change] = parseOne(text);
    if (seen.has(kind)) throw invalid(text, `${kind} is given twice`);
    seen.add(kind);
    injections = { ...injections, ...change };
    if (injections.disorderMs > latenessMs) {
      throw invalid(text, `the sources admit records up to ${latenessMs / 60_000}m late`);
    }
  }
  return Object.freeze(injections);
}

/** One text for equal sets of injections, to compare a run with an earlier one. */
export function injectionText(texts: readonly string[], seed: number): string {
  return texts.length === 0 ? "none" : `${[...texts].sort().join(" ")} seed ${seed}`;
}

function parseOne(text: string): [string, Partial<Injections>] {
  const [, kind = "", mark = "", argument = ""] = /^([a-z]+(?:-\w+)?)([@:])(.+)$/.exec(text) ?? [];
  if (kind.startsWith("shift-") && mark === "@") {
    const byMs = duration(text, kind.slice("shift-".length));
    return ["shift", { shift: { byMs, at: day(text, argument) } }];
  }
  switch (kind + mark) {
    case "permute@":
      return [kind, { permuteAt: day(text, argument) }];
    case "disorder:":
      return [kind, { disorderMs: duration(text, argument) }];
    case "late:":
      return [kind, { lateShare: share(text, argument) }];
    case "duplicates:":
      return [kind, { duplicateShare: share(text, argument) }];
    default:
      throw invalid(text, "there is no such injection");
  }
}

function duration(text: string, argument: string): number {
  try {
    return durationMs(argument);
  } catch {
    throw invalid(text, `"${argument}" is not a duration`);
  }
}

function day(text: string, argument: string): number {
  const instant = Date.parse(`${argument}T00:00:00Z`);
  if (!/^\d{4}-\d\d-\d\d$/.test(argument) || Number.isNaN(instant)) {
    throw invalid(text, `"${argument}" is not a date`);
  }
  return instant;
}

function share(text: string, argument: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(argument)?.[1];
  const value = Number(percent) / 100;
  if (percent === undefined || value > 1) throw invalid(text, `"${argument}" is not a percentage`);
  return value;
}

function invalid(text: string, reason: string): MillraceError {
  return new MillraceError("INJECTION_INVALID", { text, reason, forms: injectionForms });
}
