import type { ByteReader, ByteWriter } from "../../schemas/bytes.ts";

/** From `sequence` on, the records of a channel count as known at `until` or later. */
export interface OrderDecision {
  readonly channel: number;
  readonly sequence: number;
  /**
   * What was certain of the channel then: what is released in [from, until) was not waited for.
   * Equal to `until` for a record that nothing waits for.
   */
  readonly from: number;
  readonly until: number;
}

interface Forced {
  from: number;
  until: number;
}

const unknown = Number.NEGATIVE_INFINITY;
const none = Number.POSITIVE_INFINITY;

/**
 * What was decided about the order of a merge: floors below which no further record of a channel
 * counts as known, and the places of records that nothing waits for.
 */
export class ForcedOrder {
  /** Whether there is anything that changes the plain order. */
  any: boolean;
  readonly #awaited: readonly boolean[];
  /** By channel: the floor in force. */
  readonly #floors: Float64Array;
  /** By channel: intervals in force that were not waited for, ascending. */
  readonly #intervals: Forced[][];
  /** By channel, ascending by sequence: decisions to repeat; null: decide. */
  #repeated: OrderDecision[][] | null = null;
  #decided: OrderDecision[] = [];

  constructor(awaited: readonly boolean[]) {
    this.#awaited = awaited;
    this.any = awaited.includes(false);
    this.#floors = new Float64Array(awaited.length).fill(unknown);
    this.#intervals = awaited.map(() => []);
  }

  /** Takes a floor for the records of a channel from `sequence` on. */
  raise(channel: number, sequence: number, from: number, until: number): void {
    this.any = true;
    this.#force(channel, from, until);
    const last = this.#decided.findLast((each) => each.channel === channel);
    if (last?.sequence === sequence && last.until === from) {
      // One decision instead of two that follow each other.
      this.#decided.splice(this.#decided.lastIndexOf(last), 1);
      this.#decided.push({ channel, sequence, from: last.from, until });
    } else {
      this.#decided.push({ channel, sequence, from, until });
    }
  }

  /** Takes a floor for all records of a channel, which is no decision of the order's own. */
  join(channel: number, floor: number): void {
    this.any = true;
    this.#force(channel, floor, floor);
  }

  repeat(decisions: readonly OrderDecision[]): void {
    this.any = true;
    const repeated: OrderDecision[][] = this.#awaited.map(() => []);
    for (const each of decisions) repeated[each.channel]?.push(each);
    this.#repeated = repeated;
  }

  take(): OrderDecision[] {
    const decided = this.#decided;
    this.#decided = [];
    return decided;
  }

  /** How far an empty channel is whose next record has the sequence number `next`. */
  progress(channel: number, next: number, announced: number): number {
    if (this.#awaited[channel]) {
      this.#reach(channel, next);
      return Math.max(announced, this.#floors[channel] as number);
    }
    return this.#placeOf(channel, next) ?? none;
  }

  /** When a record counts as known; `time` is that of the last one released. */
  knownAt(channel: number, sequence: number, knownAt: number, time: number): number {
    if (this.#awaited[channel]) {
      this.#reach(channel, sequence);
      return Math.max(knownAt, this.#floors[channel] as number);
    }
    if (this.#repeated !== null) return this.#placeOf(channel, sequence) ?? none;
    return Math.max(0, time + 1);
  }

  /** Notes that a record is released; returns whether it was not waited for all before it. */
  released(channel: number, sequence: number, knownAt: number): boolean {
    if (!this.#awaited[channel] && this.#repeated === null) {
      this.#decided.push({ channel, sequence, from: knownAt, until: knownAt });
    }
    let incomplete = false;
    for (const intervals of this.#intervals) {
      while (intervals.length > 0 && (intervals[0] as Forced).until <= knownAt) intervals.shift();
      if (intervals.length > 0 && (intervals[0] as Forced).from <= knownAt) incomplete = true;
    }
    return incomplete;
  }

  write(channel: number, writer: ByteWriter): void {
    const intervals = this.#intervals[channel] as Forced[];
    writer.f64(this.#floors[channel] as number);
    writer.u16(intervals.length);
    for (const { from, until } of intervals) {
      writer.f64(from);
      writer.f64(until);
    }
  }

  read(channel: number, reader: ByteReader): void {
    const floor = reader.f64();
    this.#floors[channel] = floor;
    if (floor !== unknown) this.any = true;
    this.#intervals[channel] = Array.from({ length: reader.u16() }, () => ({
      from: reader.f64(),
      until: reader.f64(),
    }));
  }

  /** Brings the decisions into force that hold from a sequence number on. */
  #reach(channel: number, sequence: number): void {
    const repeated = this.#repeated?.[channel];
    while (repeated?.[0] !== undefined && repeated[0].sequence <= sequence) {
      const { from, until } = repeated.shift() as OrderDecision;
      this.#force(channel, from, until);
    }
  }

  #force(channel: number, from: number, until: number): void {
    this.#floors[channel] = Math.max(this.#floors[channel] as number, until);
    this.#intervals[channel]?.push({ from, until });
  }

  /** The repeated place of a record that nothing waits for; undefined: it was never taken. */
  #placeOf(channel: number, sequence: number): number | undefined {
    const repeated = this.#repeated?.[channel];
    while (repeated?.[0] !== undefined && repeated[0].sequence < sequence) repeated.shift();
    return repeated?.[0]?.sequence === sequence ? repeated[0].until : undefined;
  }
}
