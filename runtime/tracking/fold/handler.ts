import { MillraceError } from "../../../schemas/errors.ts";
import type { Pair, TrackingCommandOf, TrackingKind } from "../../../schemas/tracking-command.ts";
import type { Experiment, LoggedModel, Run, TrackingState } from "./tracking-state.ts";

/**
 * Whether a command holds in a state, and what it then does: without a clock, chance or I/O, so
 * that every reader of the log comes to the same end. What it changes it changes when the result is
 * called, not before; what that gives is told to whoever sent the command.
 *
 * @throws {MillraceError} TRACKING_INVALID, TRACKING_UNKNOWN, TRACKING_EXISTS.
 */
export type Handler<K extends TrackingKind> = (
  state: TrackingState,
  command: TrackingCommandOf<K>,
) => () => unknown;

/** A handler for each of some kinds. */
export type Handlers<K extends TrackingKind> = { readonly [Each in K]: Handler<Each> };

export function invalid(reason: string): never {
  throw new MillraceError("TRACKING_INVALID", { reason });
}

export function unknown(what: string, name: string): never {
  throw new MillraceError("TRACKING_UNKNOWN", { what, name: name.slice(0, 200) });
}

export function exists(what: string, name: string, note = ""): never {
  throw new MillraceError("TRACKING_EXISTS", { what, name: name.slice(0, 200), note });
}

export function experimentOf({ experiments }: TrackingState, id: string): Experiment {
  return experiments.get(id) ?? unknown("experiment with the id", id);
}

export function activeExperiment(state: TrackingState, id: string): Experiment {
  const found = experimentOf(state, id);
  if (found.stage === "active") return found;
  return invalid(`the experiment ${found.name} (${id}) is deleted: restore it first`);
}

export function runOf({ runs }: TrackingState, id: string): Run {
  return runs.get(id) ?? unknown("run with the id", id);
}

export function activeRun(state: TrackingState, id: string): Run {
  const found = runOf(state, id);
  if (found.stage === "active") return found;
  return invalid(`the run ${id} is deleted: restore it first`);
}

export function loggedModelOf({ loggedModels }: TrackingState, id: string): LoggedModel {
  const found = loggedModels.get(id);
  return found?.stage === "active" ? found : unknown("logged model with the id", id);
}

const keyForm = /^[\w\-. :/]{1,250}$/;

/** Limits of MLflow's own server, in characters. */
export const valueMost = { name: 500, param: 6_000, tag: 8_000, description: 100_000 } as const;

export function checkKey(what: string, key: string): void {
  if (keyForm.test(key)) return;
  const shown = JSON.stringify(key.slice(0, 100));
  invalid(
    `the ${what} ${shown} has to be 1 to 250 letters, digits, spaces and any of _ - . : / in length`,
  );
}

export function checkPairs(what: "param" | "tag", pairs: readonly Pair[]): void {
  for (const { key, value } of pairs) {
    checkKey(`key of a ${what}`, key);
    checkLength(`the ${what} ${JSON.stringify(key)}`, value, valueMost[what]);
  }
}

export function checkLength(what: string, text: string, most: number): void {
  if (text.length > most) invalid(`${what} has ${text.length} characters, more than ${most}`);
}

/** Parameters do not change: the same value again is none. */
export function checkParams(
  of: string,
  known: ReadonlyMap<string, string>,
  params: readonly Pair[],
) {
  const seen = new Map(known);
  for (const { key, value } of params) {
    const before = seen.get(key);
    if (before !== undefined && before !== value) {
      invalid(
        `the param ${JSON.stringify(key)} of ${of} is ${JSON.stringify(shortly(before))} and cannot ` +
          `become ${JSON.stringify(shortly(value))}: log another key, or another run`,
      );
    }
    seen.set(key, value);
  }
}

export function setAll(map: Map<string, string>, pairs: readonly Pair[]): void {
  for (const { key, value } of pairs) map.set(key, value);
}

function shortly(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
