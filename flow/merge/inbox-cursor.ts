import { bundleVersion, frameHeaderBytes } from "../frame.ts";
import type { Merge } from "../merge.ts";

/**
 * Reads one partition that many channels share, with one cursor a channel, so that a full channel
 * stops only itself: reading goes on for the others, and comes back for it when it has room.
 *
 * Every frame below a channel's cursor has been accepted. Reading starts at the least cursor of the
 * channels that are not full; a channel whose cursor lies below that start, or that refused a
 * frame, takes no part until a later fetch starts at or below its cursor.
 */
export class InboxCursor {
  readonly #merge: Merge;
  readonly #cursors: Float64Array;
  readonly #takesPart: Uint8Array;

  constructor(merge: Merge) {
    this.#merge = merge;
    this.#cursors = new Float64Array(merge.channels);
    this.#takesPart = new Uint8Array(merge.channels);
  }

  /** Where to fetch from; null while every channel is full. */
  nextOffset(): number | null {
    let least = Number.POSITIVE_INFINITY;
    for (let channel = 0; channel < this.#cursors.length; channel++) {
      const cursor = this.#cursors[channel] as number;
      if (cursor < least && !this.#merge.isFull(channel)) least = cursor;
    }
    return Number.isFinite(least) ? least : null;
  }

  /** Below it every frame of every channel has been accepted. */
  position(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const cursor of this.#cursors) if (cursor < least) least = cursor;
    return Number.isFinite(least) ? least : 0;
  }

  /** Begins the frames fetched from `offset`, which `nextOffset` gave. */
  startFetch(offset: number): void {
    for (let channel = 0; channel < this.#cursors.length; channel++) {
      this.#takesPart[channel] = (this.#cursors[channel] as number) >= offset ? 1 : 0;
    }
  }

  /**
   * One fetched record, in offset order: `buffer[start, end)`, a frame or markers of several
   * channels.
   */
  offer(offset: number, buffer: Buffer, start: number, end: number): void {
    if (buffer[start] !== bundleVersion) {
      this.#offer(offset, buffer, start, end);
      return;
    }
    for (let at = start + 1; at < end; at += frameHeaderBytes) {
      this.#offer(offset, buffer, at, at + frameHeaderBytes);
    }
  }

  #offer(offset: number, buffer: Buffer, start: number, end: number): void {
    const channel = this.#merge.channelOf(
      buffer.readUInt8(start + 1),
      buffer.readUInt16LE(start + 2),
    );
    if (this.#takesPart[channel] === 0 || offset < (this.#cursors[channel] as number)) return;
    const full = this.#merge.accept(buffer, start, end, offset) === "full";
    if (full) this.#takesPart[channel] = 0;
    this.#cursors[channel] = full ? offset : offset + 1;
  }

  /** Ends the fetch; `nextOffset` is behind its last record, markers of transactions included. */
  endFetch(nextOffset: number): void {
    for (let channel = 0; channel < this.#cursors.length; channel++) {
      if (this.#takesPart[channel] === 0 || (this.#cursors[channel] as number) >= nextOffset)
        continue;
      this.#cursors[channel] = nextOffset;
    }
  }

  /** Starts again at a committed offset; the merge must have been restored. */
  restart(offset: number): void {
    this.#cursors.fill(offset);
  }
}
