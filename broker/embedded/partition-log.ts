import { MillraceError } from "../../schemas/errors.ts";
import type { AbortedTransaction, TopicPartition } from "../broker.ts";
import { controlBatch } from "../record-batch/builder.ts";
import { lastOffsetAt } from "../record-batch/layout.ts";
import { endWithin, type LogSegment, skipBelow, wholeBatchAt } from "./log-segment.ts";
import { ProducerSequences } from "./producer-sequences.ts";

/** A transaction that has ended with an abort: its records lie in `[firstOffset, lastOffset]`. */
export interface AbortedRange extends AbortedTransaction {
  /** Offset of the abort marker. */
  readonly lastOffset: number;
}

/** A transaction that has written here and is not ended. */
export interface OpenTransaction {
  readonly firstOffset: number;
  readonly epoch: number;
}

/** What a log needs to know of itself when it is opened again; written in checkpoints. */
export interface LogState {
  nextOffset: number;
  readonly open: Map<number, OpenTransaction>;
  /** In the order of their ends. */
  aborted: AbortedRange[];
}

export interface PartitionLogOptions extends TopicPartition {
  readonly startOffset: number;
  readonly segments: LogSegment[];
  /** Whether the last segment may be appended to; a compacted one may not. */
  readonly appendsToLast: boolean;
  readonly state: LogState;
  /** Size at which a segment is closed and another begun. */
  readonly segmentBytes: number;
  readonly createSegment: (baseOffset: number) => LogSegment;
  /** Called when a segment has been closed. */
  readonly onRoll: () => void;
  /** Called when there may be more to read. */
  readonly onChange: (log: PartitionLog) => void;
}

/** An active segment whose records were all deleted goes too, if it is worth a new file. */
const dropActiveBytes = 64 * 1024;

/** The log of one partition: segments of record batches, and which of them may be read. */
export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly sequences = new ProducerSequences();
  readonly #options: PartitionLogOptions;
  readonly #segments: LogSegment[];
  readonly #state: LogState;
  #startOffset: number;
  #stableOffset: number;
  #active: LogSegment | null;
  /** Bytes and batches appended since the log was opened. */
  appendedBytes = 0;
  appends = 0;
  #reportedBytes = 0;

  constructor(options: PartitionLogOptions) {
    this.topic = options.topic;
    this.partition = options.partition;
    this.#options = options;
    this.#segments = options.segments;
    this.#state = options.state;
    this.#startOffset = options.startOffset;
    this.#state.nextOffset = Math.max(this.#state.nextOffset, options.startOffset);
    this.#active = options.appendsToLast ? (options.segments.at(-1) ?? null) : null;
    this.#stableOffset = this.#computeStable();
  }

  get startOffset(): number {
    return this.#startOffset;
  }

  /** The high watermark: the offset that the next record gets. */
  get nextOffset(): number {
    return this.#state.nextOffset;
  }

  /** Offset of the first record of an open transaction, or the high watermark. */
  get stableOffset(): number {
    return this.#stableOffset;
  }

  get segments(): readonly LogSegment[] {
    return this.#segments;
  }

  /** Segments that nothing is appended to any more. */
  get closedSegments(): readonly LogSegment[] {
    return this.#segments.filter((segment) => segment !== this.#active);
  }

  get sizeBytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.sizeBytes;
    return bytes;
  }

  get openTransactions(): ReadonlyMap<number, OpenTransaction> {
    return this.#state.open;
  }

  /** Appends a finished batch; returns the offset of its first record. */
  append(encoded: Buffer, count: number, transaction: OpenTransactionOwner | null): number {
    const offset = this.nextOffset;
    this.#segmentFor(encoded.length).append(encoded, offset, "data");
    if (transaction !== null && !this.#state.open.has(transaction.producerId)) {
      const { producerId, epoch } = transaction;
      this.#state.open.set(producerId, { firstOffset: offset, epoch });
    }
    this.#appended(encoded.length, count);
    return offset;
  }

  /** Ends a transaction here; does nothing when it wrote nothing. */
  end(kind: "commit" | "abort", producerId: number, timestampMs: number): void {
    const open = this.#state.open.get(producerId);
    if (open === undefined) return;
    const marker = controlBatch(kind, producerId, open.epoch, timestampMs);
    const lastOffset = this.nextOffset;
    this.#segmentFor(marker.length).append(marker, lastOffset, "marker");
    this.forgetTransaction(kind, producerId, lastOffset);
    this.#appended(marker.length, 1);
  }

  /** Ends a transaction in memory alone, for logs that are only read. */
  forgetTransaction(kind: "commit" | "abort", producerId: number, lastOffset: number): void {
    const open = this.#state.open.get(producerId);
    if (open === undefined) return;
    this.#state.open.delete(producerId);
    if (kind === "abort") {
      this.#state.aborted.push({ producerId, firstOffset: open.firstOffset, lastOffset });
    }
    this.#stableOffset = this.#computeStable();
  }

  /**
   * Whole batches from the one that holds `offset` on, up to `upper` and about `maxBytes`; the
   * first one is given whatever its size. null when there is nothing below `upper`.
   */
  read(offset: number, upper: number, maxBytes: number): Buffer | null {
    if (offset >= upper) return null;
    for (let index = this.#segmentIndex(offset); index < this.#segments.length; index++) {
      const segment = this.#segments[index] as LogSegment;
      let position = segment.locate(offset);
      while (position < segment.sizeBytes) {
        const bytes = segment.read(position, maxBytes);
        const start = skipBelow(bytes, offset);
        if (wholeBatchAt(bytes, start)) {
          const end = endWithin(bytes, start, upper, maxBytes);
          return end > start ? bytes.subarray(start, end) : null;
        }
        if (start === 0) break;
        position += start;
      }
    }
    return null;
  }

  /** Aborted transactions that overlap the batches of a fetch from `offset`. */
  abortedWithin(offset: number, records: Buffer): AbortedTransaction[] {
    const { aborted } = this.#state;
    let low = this.#abortedFrom(offset);
    if (low === aborted.length) return [];
    const last = lastOffsetIn(records);
    const found: AbortedTransaction[] = [];
    for (; low < aborted.length; low++) {
      const range = aborted[low] as AbortedRange;
      if (range.firstOffset <= last) {
        found.push({ producerId: range.producerId, firstOffset: range.firstOffset });
      }
    }
    return found;
  }

  /** Moves the log start; whole segments below it are removed. */
  deleteBelow(offset: number): void {
    if (offset <= this.#startOffset) return;
    this.#startOffset = offset;
    this.#dropBelow(offset);
    if (this.#active !== null && offset >= this.nextOffset) {
      if (this.#active.sizeBytes >= dropActiveBytes) this.#dropAll();
    }
    this.forgetAborted(offset);
  }

  /** Removes the oldest segments until the log is no larger; returns the log start. */
  shrinkTo(limitBytes: number): number {
    let size = this.sizeBytes;
    let first = 0;
    for (; first < this.#segments.length - 1 && size > limitBytes; first++) {
      const next = this.#segments[first + 1] as LogSegment;
      if (next.baseOffset > this.#stableOffset) break;
      size -= (this.#segments[first] as LogSegment).sizeBytes;
    }
    const start = this.#segments[first]?.baseOffset ?? this.#startOffset;
    return Math.max(start, this.#startOffset);
  }

  /**
   * Closes the active segment, so that it may be compacted. An empty one stays: two segments must
   * never begin at the same offset.
   */
  roll(): void {
    if (this.#active === null || this.#active.sizeBytes === 0) return;
    this.#active.seal();
    this.#active = null;
  }

  /** Whether the marker of an aborted transaction that readers are told of stands at an offset. */
  listsAbortAt(offset: number): boolean {
    return this.#state.aborted[this.#abortedFrom(offset)]?.lastOffset === offset;
  }

  /** Aborted transactions below an offset have no records left: readers need not know of them. */
  forgetAborted(below: number): void {
    this.#state.aborted = this.#state.aborted.slice(this.#abortedFrom(below));
  }

  /** Takes a segment out that compaction left empty. */
  removeSegment(segment: LogSegment): void {
    const index = this.#segments.indexOf(segment);
    if (index >= 0) this.#segments.splice(index, 1);
    segment.drop();
  }

  /** Where a reopened log may begin to look for batches that its checkpoint does not know. */
  checkpoint(): LogCheckpoint {
    return {
      segment: this.#active?.baseOffset ?? null,
      position: this.#active?.sizeBytes ?? 0,
      nextOffset: this.nextOffset,
      open: [...this.#state.open].map(([id, open]) => [id, open.firstOffset, open.epoch]),
      aborted: this.#state.aborted.map((range) => [
        range.producerId,
        range.firstOffset,
        range.lastOffset,
      ]),
    };
  }

  /** Bytes appended since the last call. */
  takeAppendedBytes(): number {
    const bytes = this.appendedBytes - this.#reportedBytes;
    this.#reportedBytes = this.appendedBytes;
    return bytes;
  }

  flush(): void {
    this.#active?.flush();
  }

  /** The topic is gone: transactions have nothing to end here any more. */
  delete(): void {
    this.#state.open.clear();
    this.#dropAll();
  }

  close(): void {
    for (const segment of this.#segments) segment.close();
  }

  /** @throws {MillraceError} OFFSET_OUT_OF_RANGE. */
  checkRange(offset: number): void {
    if (offset >= this.#startOffset && offset <= this.nextOffset) return;
    const { topic, partition } = this;
    const logStart = this.#startOffset;
    throw new MillraceError("OFFSET_OUT_OF_RANGE", { topic, partition, offset, logStart });
  }

  #appended(bytes: number, count: number): void {
    this.#state.nextOffset += count;
    this.#stableOffset = this.#computeStable();
    this.appendedBytes += bytes;
    this.appends++;
    this.#options.onChange(this);
  }

  #segmentFor(bytes: number): LogSegment {
    const active = this.#active;
    if (active !== null) {
      const full = active.sizeBytes + bytes > this.#options.segmentBytes;
      if (!full || active.sizeBytes === 0) return active;
      this.roll();
      this.#options.onRoll();
    }
    const segment = this.#options.createSegment(this.nextOffset);
    this.#segments.push(segment);
    this.#active = segment;
    return segment;
  }

  /** Index of the first aborted transaction that ends at or behind the offset. */
  #abortedFrom(offset: number): number {
    const { aborted } = this.#state;
    let low = 0;
    let high = aborted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((aborted[middle] as AbortedRange).lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the last segment that begins at or below the offset. */
  #segmentIndex(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segments[middle] as LogSegment).baseOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #dropBelow(offset: number): void {
    let gone = 0;
    while (gone + 1 < this.#segments.length) {
      if ((this.#segments[gone + 1] as LogSegment).baseOffset > offset) break;
      gone++;
    }
    const last = this.#segments[gone];
    const whole = last !== undefined && last !== this.#active && this.nextOffset <= offset;
    for (const segment of this.#segments.splice(0, whole ? gone + 1 : gone)) segment.drop();
  }

  #dropAll(): void {
    this.#active = null;
    for (const segment of this.#segments.splice(0)) segment.drop();
  }

  #computeStable(): number {
    let stable = this.nextOffset;
    for (const { firstOffset } of this.#state.open.values()) {
      if (firstOffset < stable) stable = firstOffset;
    }
    return stable;
  }
}

/** Whose transaction a batch belongs to. */
export interface OpenTransactionOwner {
  readonly producerId: number;
  readonly epoch: number;
}

/** A log's part of a checkpoint, as JSON. */
export interface LogCheckpoint {
  /** Base offset of the segment that was being written, or null. */
  readonly segment: number | null;
  readonly position: number;
  readonly nextOffset: number;
  readonly open: readonly (readonly [producerId: number, firstOffset: number, epoch: number])[];
  readonly aborted: readonly (readonly [
    producerId: number,
    firstOffset: number,
    lastOffset: number,
  ])[];
}

function lastOffsetIn(records: Buffer): number {
  let last = -1;
  for (let at = 0; wholeBatchAt(records, at); ) {
    last = lastOffsetAt(records, at);
    at += 12 + records.readInt32BE(at + 8);
  }
  return last;
}
