import type { FlightBlock } from "./flight-block.ts";
import type { Injections } from "./injections.ts";
import { draw, purposes } from "./seeded.ts";

const dayMs = 86_400_000;

/**
 * Changes the delays of flights, never their times: an arrival stays where it was. Blocks are UTC
 * days of departures in order of departure, given one after the other without a gap.
 *
 * `shift`: a flight that departs at t gets the original delay of the latest flight of its origin
 * that departed at or before t − byMs (the highest id among equals); where there is none in the
 * data set it keeps its own. `permute` comes after it.
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
      while ((history.departedAt[history.next] as number) <= departedAt - byMs) history.next++;
      if (departedAt < at || history.next === 0) continue;
      block.delayMinutes[row] = history.delays[history.next - 1] as number;
    }
    for (const history of this.#history.values()) forget(history);
  }
}

/** Keeps the flight that the next one may ask for and all after it. */
function forget(history: { departedAt: number[]; delays: number[]; next: number }): void {
  const gone = Math.max(0, history.next - 1);
  history.departedAt.splice(0, gone);
  history.delays.splice(0, gone);
  history.next -= gone;
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
