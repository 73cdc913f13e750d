import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { TileColumns } from "./tile-columns.ts";
import type { EventValues } from "./value-columns.ts";

/** Events of one key whose times are in [start, start + the size of its level). */
export interface Tile {
  start: number;
  /** ≥ 1. */
  events: number;
  readonly states: object[];
}

/**
 * The tiles of one size that a window still holds and every shorter window has lost, by start. A
 * tile leaves the window when its last ms does: as one event at that ms would.
 */
export class TileLevel {
  readonly windowMs: number;
  readonly #sizeMs: number;
  readonly #columns: TileColumns;
  readonly #tiles: Tile[] = [];

  constructor(windowMs: number, sizeMs: number, columns: TileColumns) {
    this.windowMs = windowMs;
    this.#sizeMs = sizeMs;
    this.#columns = columns;
  }

  get tiles(): readonly Tile[] {
    return this.#tiles;
  }

  /** Instant at which the first tile leaves, UTC ms; Infinity: there is none. */
  get leavesAt(): number {
    const first = this.#tiles[0];
    if (first === undefined) return Number.POSITIVE_INFINITY;
    return first.start + this.#sizeMs - 1 + this.windowMs;
  }

  /** Takes an event with its inputs: the doubles, which start at `at`, and the values. */
  insert(eventTime: number, inputs: Float64Array, at: number, values: EventValues): void {
    const start = this.#startOf(eventTime);
    const place = this.#placeOf(start);
    let tile = this.#tiles[place];
    if (tile === undefined || tile.start !== start) {
      tile = { start, events: 0, states: this.#columns.prepare() };
      this.#tiles.splice(place, 0, tile);
    }
    tile.events++;
    this.#columns.update(tile.states, inputs, at, eventTime, values);
  }

  /** Takes a tile of a finer level, which is not used any more. */
  absorb(finer: Tile): void {
    const start = this.#startOf(finer.start);
    const place = this.#placeOf(start);
    const tile = this.#tiles[place];
    if (tile === undefined || tile.start !== start) {
      finer.start = start;
      this.#tiles.splice(place, 0, finer);
      return;
    }
    tile.events += finer.events;
    this.#columns.merge(tile.states, finer.states);
  }

  /** Takes out the first tile. */
  shift(): Tile | undefined {
    return this.#tiles.shift();
  }

  /** u32 tiles, then of each f64 start, f64 events and its states. */
  write(writer: ByteWriter): void {
    writer.u32(this.#tiles.length);
    for (const { start, events, states } of this.#tiles) {
      writer.f64(start);
      writer.f64(events);
      this.#columns.write(states, writer);
    }
  }

  /** Fills a new level. */
  read(reader: ByteReader): void {
    for (let tiles = reader.u32(); tiles > 0; tiles--) {
      const start = reader.f64();
      const events = reader.f64();
      this.#tiles.push({ start, events, states: this.#columns.read(reader) });
    }
  }

  #startOf(time: number): number {
    return Math.floor(time / this.#sizeMs) * this.#sizeMs;
  }

  /** Place of the first tile that does not start earlier: most often the last, or behind it. */
  #placeOf(start: number): number {
    let place = this.#tiles.length;
    while (place > 0 && (this.#tiles[place - 1] as Tile).start >= start) place--;
    return place;
  }
}
