import type { FlightBlock } from "./flight-block.ts";
import type { Injections } from "./injections.ts";
import { draw, purposes } from "./seeded.ts";

const dayMs = 86_400_000;

/**
 * Changes the delays of flights, never their times: an arrival stays where it was. Blocks are UTC
 * days of departures in order of departure, given one after the other without a gap.
 *
 * `shift`: a flight that departs at t gets the original delay of the first flight of its origin
 * that departed at or after t − byMs (the lowest id among equals); its own where no other did. It
 * changes what delays follow from and hardly how many there are: 19.5 % of the flights of 3 to 12
 * March are late by 12 h, 20.7 % without. The last flight before t − byMs would not do: half of a
 * day's flights would get the delay of the last one of a night, which left late for being late
 * (37.7 %). `permute` comes after it.
 */
export class DelayInjections {
  readonly #injections: Injections;
  readonly #history = new Map<string, { departedAt: number[]; delays: number[]; next: number }>();

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
      if (departedAt >= at) block.delayMinutes[row] = history.delays[history.next] as number;
    }
    for (const history of this.#history.values()) forget(history);
  }
}

/** Keeps the flight that the next one may ask for and all after it. */
function forget(history: { departedAt: number[]; delays: number[]; next: number }): void {
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
