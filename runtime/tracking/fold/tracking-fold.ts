import { MillraceError } from "../../../schemas/errors.ts";
import type { TrackingCommand, TrackingKind } from "../../../schemas/tracking-command.ts";
import { adoptedRuns } from "./adopted-runs.ts";
import { artifacts } from "./artifacts.ts";
import { experiments } from "./experiments.ts";
import type { Handler, Handlers } from "./handler.ts";
import { loggedModels } from "./logged-models.ts";
import { modelVersions } from "./model-versions.ts";
import { registeredModels } from "./registered-models.ts";
import { runs } from "./runs.ts";
import { emptyTracking, type TrackingState } from "./tracking-state.ts";

const handlers: Handlers<TrackingKind> = {
  ...{ ...experiments, ...runs, ...loggedModels, ...artifacts },
  ...{ ...registeredModels, ...modelVersions, ...adoptedRuns },
};

/** What became of a command. */
export type Outcome = { readonly done: unknown } | { readonly refused: MillraceError };

/** The state that commands lead to, one after the other: the same for every reader. */
export class TrackingFold {
  readonly state: TrackingState;
  /** Ids of the commands of late: one that is written twice counts once. */
  readonly #seen: Set<string>;
  #skipsKinds = false;

  /** @default as before the first command */
  constructor(state: TrackingState = emptyTracking(), seen: Set<string> = new Set()) {
    this.state = state;
    this.#seen = seen;
  }

  /** Ids of the commands of late, oldest first. */
  get seen(): Iterable<string> {
    return this.#seen;
  }

  /** Whether there was a command that only a newer version knows: the state lacks it. */
  get skipsKinds(): boolean {
    return this.#skipsKinds;
  }

  /** @throws {MillraceError} why the command would be refused now. */
  check(command: TrackingCommand): void {
    handlerOf(command)?.(this.state, command);
  }

  /** Null: it was there before, or is of a kind that a newer version writes. */
  apply(command: TrackingCommand): Outcome | null {
    const handler = handlerOf(command);
    if (handler === null) this.#skipsKinds = true;
    if (handler === null || this.#seen.has(command.id)) return null;
    this.#seen.add(command.id);
    if (this.#seen.size > seenMost) this.#seen.delete(this.#seen.values().next().value as string);
    try {
      return { done: handler(this.state, command)() };
    } catch (error) {
      if (error instanceof MillraceError) return { refused: error };
      throw error;
    }
  }
}

/** A producer repeats what it got no answer for; far fewer commands come in between. */
const seenMost = 10_000;

function handlerOf({ kind }: TrackingCommand): Handler<TrackingKind> | null {
  return Object.hasOwn(handlers, kind) ? (handlers[kind] as Handler<TrackingKind>) : null;
}
