import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import type { FeatureColumns } from "./feature-columns.ts";
import { RecentEvents } from "./recent-events.ts";
import type { TileColumns } from "./tile-columns.ts";
import { TileLevel } from "./tile-level.ts";
import { tileSizes } from "./tile-sizes.ts";
import type { UpdateInput } from "./update-input.ts";
import type { EventValues } from "./value-columns.ts";

/**
 * The windows of one key over tiles instead of events.
 *
 * Level i holds the events that window i still has and window i − 1 has not, in tiles of window i's
 * size; so each event is in one tile, and window i is the levels 0 to i. A tile that leaves window
 * i goes up and joins the coarser tile it is part of. An event enters the windows as in exact ones
 * and leaves with its tile: never early, and late by less than 1 % of the window.
 *
 * Memory: at most some 200 tiles a window, each with one bounded state a measure (a number or two;
 * of quantiles 1,024 buckets at most, of 16 bytes), and the newest `exactLimit` / 2 events.
 */
export class TiledWindows {
  nextExpiry = Number.POSITIVE_INFINITY;
  /** Events in the longest window. */
  size = 0;
  /** From this instant on every event of the exact windows is among the recent ones. */
  exactFrom = Number.NEGATIVE_INFINITY;
  readonly recent: RecentEvents;
  readonly #shape: FeatureColumns;
  readonly #columns: TileColumns;
  readonly #values: Float64Array;
  readonly #others: Scalar[];
  readonly #levels: readonly TileLevel[];
  /** By window. */
  readonly #states: object[][];
  readonly #torn: Uint8Array;

  /** @param values, others - the columns of the key, which the windows keep up to date. */
  constructor(shape: FeatureColumns, values: Float64Array, others: Scalar[]) {
    const { tiles, windowMs, inputs, exactLimit } = shape;
    const sizes = tileSizes(windowMs);
    this.#shape = shape;
    this.#columns = tiles;
    this.#values = values;
    this.#others = others;
    this.#levels = Array.from(
      windowMs,
      (lengthMs, i) => new TileLevel(lengthMs, sizes[i] as number, tiles),
    );
    this.#states = this.#levels.map(() => tiles.prepare());
    this.#torn = tiles.noneTorn();
    this.recent = new RecentEvents(Math.max(1, exactLimit >>> 1), inputs, shape.values);
  }

  /** Takes an event of the exact windows; `open` follows the last. */
  adopt(
    eventTime: number,
    now: number,
    inputs: Float64Array,
    at: number,
    values: EventValues,
  ): void {
    const stride = this.#shape.inputs;
    const index = this.#keep(eventTime);
    for (let i = 0; i < stride; i++) {
      this.recent.inputs[index * stride + i] = inputs[at + i] as number;
    }
    this.recent.keepValues(index, values);
    this.#include(eventTime, now, index);
  }

  open(): void {
    for (let window = 0; window < this.#levels.length; window++) this.#finalize(window);
    this.#findNextExpiry();
  }

  /** As the exact windows do. */
  insert(eventTime: number, knownAt: number, event: UpdateInput): void {
    const index = this.#keep(eventTime);
    event.copyInputs(this.recent.inputs, index * this.#shape.inputs);
    this.recent.keepValues(index, event.values());
    const first = this.#include(eventTime, knownAt, index);
    for (let window = first; window < this.#levels.length; window++) this.#finalize(window);
    this.#findNextExpiry();
  }

  /** Takes out of every window the tiles that leave it at `instant`. */
  expire(instant: number): void {
    for (let window = 0; window < this.#levels.length; window++) {
      const level = this.#levels[window] as TileLevel;
      if (level.leavesAt > instant) continue;
      const states = this.#states[window] as object[];
      let isTorn = false;
      while (level.leavesAt <= instant) {
        const tile = level.shift();
        if (tile === undefined) break;
        if (this.#columns.remove(states, tile.states, this.#torn)) isTorn = true;
        const next = this.#levels[window + 1];
        if (next === undefined) this.size -= tile.events;
        else next.absorb(tile);
      }
      if (isTorn) this.#mend(window, states);
      this.#finalize(window);
    }
    this.#findNextExpiry();
  }

  /** f64 exactFrom, the recent events, then window by window its level and its states. */
  snapshot(writer: ByteWriter): void {
    writer.f64(this.exactFrom);
    this.recent.write(writer);
    for (let window = 0; window < this.#levels.length; window++) {
      (this.#levels[window] as TileLevel).write(writer);
      this.#columns.write(this.#states[window] as object[], writer);
    }
  }

  /** Fills new windows from their snapshot. */
  restore(reader: ByteReader): void {
    this.exactFrom = reader.f64();
    this.recent.read(reader);
    for (let window = 0; window < this.#levels.length; window++) {
      const level = this.#levels[window] as TileLevel;
      level.read(reader);
      this.#states[window] = this.#columns.read(reader);
      for (const { events } of level.tiles) this.size += events;
    }
    this.open();
  }

  #keep(eventTime: number): number {
    const { windowMs } = this.#shape;
    const needed = this.recent.replaces + (windowMs[windowMs.length - 1] as number);
    if (needed > this.exactFrom) this.exactFrom = needed;
    return this.recent.push(eventTime);
  }

  /** Puts an event into its tile and the windows not left yet; returns the first of them. */
  #include(eventTime: number, now: number, index: number): number {
    const { inputs } = this.recent;
    const at = index * this.#shape.inputs;
    const values = this.recent.valuesOf(index);
    const { windowMs } = this.#shape;
    let first = 0;
    while (eventTime + (windowMs[first] as number) <= now) first++;
    (this.#levels[first] as TileLevel).insert(eventTime, inputs, at, values);
    for (let window = first; window < this.#levels.length; window++) {
      this.#columns.update(this.#states[window] as object[], inputs, at, eventTime, values);
    }
    this.size++;
    return first;
  }

  /** Merges anew what could not be taken out. */
  #mend(window: number, states: object[]): void {
    this.#columns.emptyTorn(states, this.#torn);
    for (let level = 0; level <= window; level++) {
      for (const tile of (this.#levels[level] as TileLevel).tiles) {
        this.#columns.mergeTorn(states, tile.states, this.#torn);
      }
    }
    this.#torn.fill(0);
  }

  #finalize(window: number): void {
    const states = this.#states[window] as object[];
    this.#columns.finalize(states, window, this.#values, this.#others);
  }

  #findNextExpiry(): void {
    let next = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#levels.length; i++) {
      const { leavesAt } = this.#levels[i] as TileLevel;
      if (leavesAt < next) next = leavesAt;
    }
    this.nextExpiry = next;
  }
}
