import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { ClosureFailure } from "../schemas/expression.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import type { OperatorSpecs, Ports, SourceSpec } from "../schemas/plan.ts";
import { readCounters, writeCounters } from "./branch-tally.ts";
import type { BranchCounters, Counters, Outbox } from "./processor.ts";
import { FanOut } from "./source/fan-out.ts";
import type { StampedRecord } from "./source/routes.ts";

/** Why a record becomes a dead letter. */
export type SourceRejection =
  | "NULL_KEY"
  | "KEY_MISMATCH"
  | "WRONG_PARTITION"
  | "KEY_OVERSIZE"
  | "TEXT_OVERSIZE"
  | "ID_BEYOND_LONG"
  | "EVENT_TIME_MISSING"
  | "EVENT_TIME_AHEAD"
  | ClosureFailure;

/**
 * One partition of a source: judges each record once, stamps it with its known-at (the stream time
 * once it is read) and writes what its routes ask for.
 *
 * Stream time is the highest event time of the records that were accepted, and the source
 * watermarks; it never falls. Only accepted records move it. Counters, by branch: `in`, `late`,
 * `deadLettered`, `excluded` and what is `filtered` for want of a key here; the rest is counted by
 * the task that receives the record.
 */
export class SourceProcessor {
  readonly source: SourceSpec;
  readonly counters: Counters = new Map();
  /** Numbers of partitions by which the key of a record may be in its place. */
  placedBy: readonly number[];
  readonly #partition: number;
  readonly #fanOut: FanOut;
  readonly #record: StampedRecord = {
    fields: {},
    eventTime: 0,
    knownAt: 0,
    partition: 0,
    offset: 0,
  };
  #tallies: readonly BranchCounters[];
  #streamTime = Number.NEGATIVE_INFINITY;

  constructor({ source, routes }: OperatorSpecs["source"], ports: Ports, partition: number) {
    this.source = source;
    this.#partition = partition;
    this.#record.partition = partition;
    this.placedBy = [ports.partitions];
    this.#fanOut = new FanOut(routes, ports, [source.partitionField]);
    this.#tallies = this.#fanOut.findTallies(this.counters, partition);
  }

  /** Event time up to which the partition has come, UTC ms; −Infinity before its first record. */
  get streamTime(): number {
    return this.#streamTime;
  }

  /**
   * Takes one decoded record.
   *
   * @param key - text of the record key, null where it has none.
   * @param latestEventTime - the guard against far-future records: what lies beyond is refused.
   * @param sure - whether one in the place of no key is misplaced; else it is not taken: "astray".
   */
  accept(
    record: Readonly<Record<string, unknown>>,
    key: string | null,
    offset: number,
    latestEventTime: number,
    out: Outbox,
    sure = true,
  ): "accepted" | "late" | "astray" | SourceRejection {
    const eventTime = record[this.source.timeField];
    const rejection = this.#judge(record, key, eventTime, latestEventTime);
    if (rejection === "WRONG_PARTITION" && !sure) return "astray";
    if (rejection !== null) {
      this.reject();
      return rejection;
    }
    const time = eventTime as number;
    for (const tally of this.#tallies) tally.in++;
    if (time < this.#streamTime - this.source.latenessMs) {
      for (const tally of this.#tallies) tally.late++;
      return "late";
    }
    if (time > this.#streamTime) this.#streamTime = time;
    const stamped = this.#record;
    stamped.eventTime = time;
    stamped.knownAt = this.#streamTime;
    stamped.offset = offset;
    this.#fanOut.write(stamped, out);
    return "accepted";
  }

  /** A source watermark: what follows is known at `instant` or later. */
  advanceTo(instant: number): void {
    if (instant > this.#streamTime) this.#streamTime = instant;
  }

  /** Counts a record that became a dead letter, also one that could not be decoded. */
  reject(): void {
    for (const tally of this.#tallies) {
      tally.in++;
      tally.deadLettered++;
    }
  }

  snapshot(writer: ByteWriter): void {
    writer.f64(this.#streamTime);
    writeCounters(writer, this.counters);
  }

  restore(reader: ByteReader): void {
    this.#streamTime = reader.f64();
    readCounters(reader, this.counters);
    this.#tallies = this.#fanOut.findTallies(this.counters, this.#partition);
  }

  #isPlaced(key: string): boolean {
    for (const partitions of this.placedBy) {
      if (partitionOf(key, partitions) === this.#partition) return true;
    }
    return false;
  }

  #judge(
    record: Readonly<Record<string, unknown>>,
    key: string | null,
    eventTime: unknown,
    latestEventTime: number,
  ): SourceRejection | null {
    const { partitionField, repartitioned } = this.source;
    if (!repartitioned) {
      if (key === null) return "NULL_KEY";
      if (key !== String(record[partitionField])) return "KEY_MISMATCH";
      if (!this.#isPlaced(key)) return "WRONG_PARTITION";
    }
    // 1970-01-01 to the millisecond is what programs write where they have no time.
    if (!Number.isSafeInteger(eventTime) || (eventTime as number) <= 0) return "EVENT_TIME_MISSING";
    if ((eventTime as number) > latestEventTime) return "EVENT_TIME_AHEAD";
    return this.#fanOut.judge(record);
  }
}
