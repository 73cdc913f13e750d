import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { Scalar } from "../../schemas/expression.ts";
import { ExactWindows } from "./exact-windows.ts";
import type { Expiring } from "./expiry-heap.ts";
import type { FeatureColumns } from "./feature-columns.ts";
import { TiledWindows } from "./tiled-windows.ts";
import type { UpdateInput } from "./update-input.ts";

/** Of every key of a view whose columns all hold doubles. */
const none: Scalar[] = [];

/**
 * One entity key: its columns, and the windows that they come from.
 *
 * The windows are exact up to the view's `exactLimit` events and tiled above it. They are exact
 * again at the first expiry at which every event of the longest window is among the newest
 * `exactLimit` / 2 ones, which tiled windows keep for that: so a key that stays about the limit
 * changes over every few thousand events and not at each.
 */
export class KeyWindows implements Expiring {
  readonly key: string;
  nextExpiry = Number.POSITIVE_INFINITY;
  heapIndex = -1;
  /** knownAt of the newest record of the key that entered a window. */
  lastKnownAt = Number.NEGATIVE_INFINITY;
  /** Of the newest row. */
  asOf = Number.NEGATIVE_INFINITY;
  seq = 0;
  /** The columns as of now: those that hold doubles, and the others. */
  readonly values: Float64Array;
  readonly others: Scalar[];
  readonly #columns: FeatureColumns;
  #exact: ExactWindows;
  /** Null while the exact windows serve; they are empty while these do. */
  #tiled: TiledWindows | null = null;

  constructor(key: string, columns: FeatureColumns) {
    this.key = key;
    this.#columns = columns;
    this.values = new Float64Array(columns.columns);
    this.others = columns.values.areKept ? new Array(columns.values.columns).fill(null) : none;
    this.#exact = this.#noEvents();
  }

  /** Events in the longest window. */
  get size(): number {
    return this.#tiled === null ? this.#exact.size : this.#tiled.size;
  }

  /** 0 exact, 1 tiled. */
  get served(): number {
    return this.#tiled === null ? 0 : 1;
  }

  /**
   * Takes an event with its inputs into every window that it has not left already; all expiries up
   * to its knownAt must have been done.
   */
  insert(eventTime: number, knownAt: number, event: UpdateInput): void {
    if (this.#tiled !== null) {
      this.#tiled.insert(eventTime, knownAt, event);
      this.nextExpiry = this.#tiled.nextExpiry;
      return;
    }
    this.#exact.insert(eventTime, knownAt, event);
    if (this.#exact.size > this.#columns.exactLimit) this.#tile(knownAt);
    else this.nextExpiry = this.#exact.nextExpiry;
  }

  /** Takes out of every window what leaves it at `instant`. */
  expire(instant: number): void {
    if (this.#tiled !== null) {
      this.#tiled.expire(instant);
      if (instant >= this.#tiled.exactFrom) this.#untile(this.#tiled, instant);
      else this.nextExpiry = this.#tiled.nextExpiry;
      return;
    }
    this.#exact.expire(instant);
    this.nextExpiry = this.#exact.nextExpiry;
  }

  /** f64 lastKnownAt, f64 asOf, u32 seq, u8 served, then the windows that serve. */
  snapshot(writer: ByteWriter): void {
    writer.f64(this.lastKnownAt);
    writer.f64(this.asOf);
    writer.u32(this.seq);
    writer.u8(this.served);
    if (this.#tiled === null) this.#exact.snapshot(writer);
    else this.#tiled.snapshot(writer);
  }

  /** Fills a new key from its snapshot. */
  restore(reader: ByteReader): void {
    this.lastKnownAt = reader.f64();
    this.asOf = reader.f64();
    this.seq = reader.u32();
    if (reader.u8() === 0) {
      this.#exact.restore(reader);
      this.nextExpiry = this.#exact.nextExpiry;
      return;
    }
    this.#tiled = new TiledWindows(this.#columns, this.values, this.others);
    this.#tiled.restore(reader);
    this.nextExpiry = this.#tiled.nextExpiry;
  }

  #noEvents(): ExactWindows {
    return new ExactWindows(this.#columns, this.values, this.others);
  }

  #tile(now: number): void {
    const tiled = new TiledWindows(this.#columns, this.values, this.others);
    this.#exact.forEach((eventTime, inputs, at, values) => {
      tiled.adopt(eventTime, now, inputs, at, values);
    });
    this.#exact = this.#noEvents();
    this.#tiled = tiled;
    tiled.open();
    this.nextExpiry = tiled.nextExpiry;
  }

  #untile(tiled: TiledWindows, now: number): void {
    const { recent } = tiled;
    const { windowMs, inputs } = this.#columns;
    this.#tiled = null;
    this.#exact = this.#noEvents();
    for (const index of recent.after(now - (windowMs[windowMs.length - 1] as number))) {
      const time = recent.times[index] as number;
      this.#exact.append(time, recent.inputs, index * inputs, recent.valuesOf(index));
    }
    this.#exact.open(now);
    this.nextExpiry = this.#exact.nextExpiry;
  }
}
