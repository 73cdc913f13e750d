import type { FlightBlock } from "./flight-block.ts";
import type { Injections } from "./injections.ts";
import { draw, purposes } from "./seeded.ts";

const dayMs = 86_400_000;

/** Flights of an origin with their original delays; before `next` lies what no flight asks for. */
interface History {
  readonly departedAt: number[];
  readonly delays: number[];
  next: number;
}

/** A shifted flight gets the delay of one of the flights of this long, ms. */
const poolMs = 30 * 60_000;

/**
 * Changes the delays of flights, never their times: an arrival stays where it was. Blocks are UTC
 * days of departures in order of departure, given one after the other without a gap.
 *
 * `shift`: a flight that departs at t gets the original delay of a flight of its origin that
 * departed some byMs before: one drawn from the half hour that begins with the first departure at
 * or after t − byMs; its own where no other left since. It changes what delays follow from and
 * hardly how many there are. One flight alone would not do: where nothing departs at night, all
 * departures of an afternoon would share the delay of a morning's first. Nor would the last one
 * before t − byMs: they would share that of a night's last, which left late for being late.
 * `permute` comes after it.
 */
export class DelayInjections {
  readonly #injections: Injections;
  readonly #history = new Map<string, History>();

  constructor(injections: Injections) {
    this.#injections = injections;
  }

  /** Whether flights from the beginning of the data set on must be given. */
  get needsHistory(): boolean {
    return this.#injections.shift !== null;
  }

  apply(block: FlightBlock): void {
    if (this.#injections.shift !== null) this.#shift(block, this.#injections.shift);
    const at = this.#injections.permuteAt;
    if (at !== null && (block.departedAt[0] ?? 0) >= at) permute(block, this.#injections.seed);
  }

  #shift(block: FlightBlock, { byMs, at }: { byMs: number; at: number }): void {
    const { seed } = this.#injections;
    for (let row = 0; row < block.size; row++) {
      const departedAt = block.departedAt[row] as number;
      const origin = block.origin[row] as string;
      let history = this.#history.get(origin);
      if (history === undefined) {
        history = { departedAt: [], delays: [], next: 0 };
        this.#history.set(origin, history);
      }
      history.departedAt.push(departedAt);
      history.delays.push(block.delayMinutes[row] as number);
      while ((history.departedAt[history.next] as number) < departedAt - byMs) history.next++;
      if (departedAt < at) continue;
      const chance = draw(seed, purposes.shift, 0, block.flightId[row] as number);
      block.delayMinutes[row] = history.delays[drawnOf(history, chance)] as number;
    }
    for (const history of this.#history.values()) forget(history);
  }
}

/** Index of a flight of the half hour that begins with the next one. */
function drawnOf({ departedAt, next }: History, chance: number): number {
  const until = (departedAt[next] as number) + poolMs;
  let end = next + 1;
  while (end < departedAt.length && (departedAt[end] as number) < until) end++;
  return next + Math.floor(chance * (end - next));
}

/** Keeps the flight that the next one may ask for and all after it. */
function forget(history: History): void {
  history.departedAt.splice(0, history.next);
  history.delays.splice(0, history.next);
  history.next = 0;
}

/** Fisher–Yates over the delays of one UTC day. */
function permute(block: FlightBlock, seed: number): void {
  const day = Math.floor((block.departedAt[0] ?? 0) / dayMs);
  for (let last = block.size - 1; last > 0; last--) {
    const other = Math.floor(draw(seed, purposes.permute, day, last) * (last + 1));
    const delay = block.delayMinutes[last] as number;
    block.delayMinutes[last] = block.delayMinutes[other] as number;
    block.delayMinutes[other] = delay;
  }
}
