import type { FetchedPartition, OffsetToCommit } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import type { SourceProcessor } from "../../processors/source.ts";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan, Subtopology } from "../../schemas/plan.ts";
import { timeText, usualMaxJumpMs } from "../../schemas/source-time.ts";
import type { RecordDecoder } from "../schema-registry/record-decoder.ts";
import type { SchemaId } from "../schema-registry/registry.ts";
import { changelogOf, type Restorable, type TaskChangelog, writeSnapshot } from "./changelog.ts";
import { ChangelogCut } from "./changelog-cut.ts";
import type { CommitBatches } from "./commit-batches.ts";
import type { SourceDecisions } from "./live/source-decisions.ts";
import { keyLimitBytes, recordLimitBytes, rejectionReason } from "./rejections.ts";
import { SourcePlacement } from "./source-placement.ts";
import { type RejectsWiring, SourceRejects } from "./source-rejects.ts";
import type { SourceWatermarks } from "./source-watermarks.ts";
import type { Task, Wanted } from "./task.ts";
import { TaskOutbox } from "./task-outbox.ts";

/** How a source task knows its world. */
export interface SourceTaskWiring extends RejectsWiring {
  readonly plan: Plan;
  readonly decoder: RecordDecoder;
  readonly watermarks: SourceWatermarks;
  readonly decisions: SourceDecisions;
}

/** Between two questions that a schema registry did not answer, ms; doubled each time. */
const lookUpPauseMs = { least: 250, most: 15_000 } as const;

/** Changelog records (small snapshots) kept before older ones may go. */
const purgeEvery = 64;

/**
 * One partition of a source topic: judges each record once (malformed, misplaced, late), stamps it
 * with its known-at, and sends what its routes ask for to the inboxes.
 */
export class SourceTask implements Task, Restorable {
  readonly subtopology: Subtopology;
  readonly partition: number;
  readonly processor: SourceProcessor;
  readonly changelog: TaskChangelog;
  readonly outbox: TaskOutbox;
  readonly #wiring: SourceTaskWiring;
  readonly #reader = new RecordReader();
  readonly #rejects: SourceRejects;
  readonly placement: SourcePlacement;
  #reading = false;
  #position = 0;
  /** Of the topic that the position is in; "" before it is placed. */
  #topicId = "";
  #watermark = 0;
  #processed = 0;
  /** Stream time at the last record. */
  #recordTime = Number.NEGATIVE_INFINITY;
  #isForced = false;
  #collected = 0;
  #missingSchema: SchemaId | null = null;
  #lookingUp = false;
  #lookUpAgainAt = 0;
  #lookUpPauseMs = lookUpPauseMs.least as number;
  #stalled = false;
  /** It stands at a record that lies too far beyond the clock, or after the end, and waits. */
  #waitsForClock = false;
  #aheadMs = 0;
  readonly #cut = new ChangelogCut();

  constructor(
    subtopology: Subtopology,
    partition: number,
    processor: SourceProcessor,
    wiring: SourceTaskWiring,
  ) {
    this.subtopology = subtopology;
    this.partition = partition;
    this.changelog = changelogOf(subtopology, partition);
    this.processor = processor;
    this.#wiring = wiring;
    this.outbox = new TaskOutbox(subtopology, partition, wiring);
    this.#rejects = new SourceRejects(subtopology, partition, wiring);
    this.placement = new SourcePlacement(subtopology, partition, wiring.decisions);
  }

  wanted(): Wanted | null {
    if (this.#reading) return null;
    return {
      topic: this.subtopology.inbox,
      partition: this.partition,
      offset: this.#position,
    };
  }

  /** Goes on at an offset of the topic of that id; nothing that was fetched before counts. */
  startAt(offset: number, topicId: string): void {
    this.#position = offset;
    this.#topicId = topicId;
  }

  /** Id of the topic that its position is in; "" while unknown. */
  get topicId(): string {
    return this.#topicId;
  }

  /** The records are stamped in later steps; read the watermarks before the first of these. */
  accept(fetched: FetchedPartition): void {
    this.#reader.open(fetched, "read_committed");
    this.placement.fetched();
    this.#reading = this.#advance();
  }

  /**
   * Live mode: its partition ended at `end` when the wall clock said `until`. Where it has been
   * read to that end, or waits for the clock, stream time rises to `until`.
   */
  advanceIdle(end: number, until: number): void {
    const rests = this.#waitsForClock || (!this.#reading && this.#position >= end);
    if (!rests || until <= this.processor.streamTime) return;
    this.processor.advanceTo(until);
    this.#wiring.decisions.idle(this.#position, until);
  }

  /** Takes what is in force where the task stands: watermarks and decisions. */
  #applyWatermarks(): void {
    const { before, next } = this.#wiring.watermarks.at(
      this.partition,
      this.#position,
      this.#watermark,
    );
    this.#watermark = next;
    const decided = this.#wiring.decisions.streamTimeAt(this.#position);
    this.processor.advanceTo(Math.max(before, decided));
  }

  step(budget: number): number {
    let taken = 0;
    while (
      this.#reading &&
      taken < budget &&
      this.#missingSchema === null &&
      !this.placement.waits &&
      !this.outbox.isFull(this.#rejects.bytes)
    ) {
      this.#position = this.#reader.offset;
      this.#applyWatermarks();
      if (!this.#takeRecord()) break;
      taken++;
      this.#position = this.#reader.offset + 1;
      this.#reading = this.#advance();
    }
    if (taken > 0) this.#recordTime = this.processor.streamTime;
    this.#applyWatermarks();
    this.#processed += taken;
    return taken;
  }

  /** Whether the task stands at a record whose schema has to be looked up now. */
  get needsSchema(): boolean {
    return (
      this.#missingSchema !== null && !this.#lookingUp && performance.now() >= this.#lookUpAgainAt
    );
  }

  /**
   * Looks up the schema id that the task stopped at, if it did. Where the registry does not answer,
   * the task waits and asks again after a while; it gives why it waits, else null.
   */
  async resolveSchema(): Promise<MillraceError | null> {
    if (this.#missingSchema === null) return null;
    this.#lookingUp = true;
    try {
      await this.#wiring.decoder.resolve(this.#missingSchema);
      this.#missingSchema = null;
      this.#lookUpPauseMs = lookUpPauseMs.least;
      return null;
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.#lookUpAgainAt = performance.now() + this.#lookUpPauseMs;
      this.#lookUpPauseMs = Math.min(this.#lookUpPauseMs * 2, lookUpPauseMs.most);
      return error;
    } finally {
      this.#lookingUp = false;
    }
  }

  /** Held back because its readers are behind; see the worker. */
  set stalled(value: boolean) {
    this.#stalled = value;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  forceCommit(): void {
    this.#isForced = true;
  }

  get dirty(): boolean {
    return (
      this.#isForced || this.#processed > 0 || this.outbox.hasNews(() => this.processor.streamTime)
    );
  }

  collect(batches: CommitBatches): OffsetToCommit {
    this.#rejects.collect(batches);
    this.#wiring.decisions.collect(batches);
    this.outbox.collect(batches, () => this.processor.streamTime);
    const state = new ByteWriter(1024);
    this.processor.snapshot(state);
    const place = writeSnapshot(batches, this.changelog, state.take(), this.#positions());
    if (++this.#collected % purgeEvery === 0) this.#cut.wrote(place);
    this.#processed = 0;
    this.#isForced = false;
    return { topic: this.subtopology.inbox, partition: this.partition, offset: this.#position };
  }

  committed(baseOffset: (topic: string, partition: number) => number | undefined): void {
    this.#cut.committed(baseOffset(this.subtopology.changelog, this.partition));
  }

  purgeableChangelog(): number | null {
    return this.#cut.take();
  }

  /** Positions and counters. */
  get state(): null {
    return null;
  }

  get progress(): number {
    return this.processor.streamTime;
  }

  get need(): number {
    return this.#recordTime;
  }

  get position(): number {
    return this.#position;
  }

  get busy(): boolean {
    return this.#reading && !this.#waitsForClock;
  }

  /** Live mode: it has read all that the clock lets it read; what is left lies beyond. */
  get waitsForClock(): boolean {
    return this.#waitsForClock;
  }

  /** Live mode: how far the record that it has judged last lies beyond what is admitted, ms. */
  get aheadMs(): number {
    return this.#aheadMs;
  }

  get counters() {
    return this.processor.counters;
  }

  restoreSnapshot(state: Buffer): void {
    this.processor.restore(new ByteReader(state));
    // Nobody knows any more whether the sources have passed its last record.
    this.#recordTime = this.processor.streamTime;
  }

  replayDelta(): void {
    throw new RangeError("a source task writes snapshots only");
  }

  restorePositions(positions: Buffer): void {
    const reader = new ByteReader(positions);
    this.#position = reader.f64();
    this.outbox.readPositions(reader);
    this.#topicId = reader.text();
    this.placement.read(reader, this.#position);
  }

  #positions(): Buffer {
    const writer = new ByteWriter(512);
    writer.f64(this.#position);
    this.outbox.writePositions(writer);
    writer.text(this.#topicId);
    this.placement.write(writer);
    return writer.take();
  }

  /** To the next record; at the end of the fetch the position moves over markers too. */
  #advance(): boolean {
    if (this.#reader.next()) return true;
    this.#position = Math.max(this.#position, this.#reader.nextOffset);
    return false;
  }

  /** Judges and takes the record under the reader; false when it waits for a schema. */
  #takeRecord(): boolean {
    const reader = this.#reader;
    const { processor } = this;
    const { decisions } = this.#wiring;
    if (processor.streamTime >= decisions.end) return this.#leaveToNextRun();
    const rejects = this.#rejects;
    const { buffer, keyStart, keyEnd, valueStart, valueEnd } = reader;
    if (keyEnd - keyStart + valueEnd - valueStart > recordLimitBytes) {
      processor.reject();
      rejects.deadLetter(reader, "RECORD_OVERSIZE");
      return true;
    }
    if (!processor.source.repartitioned && keyEnd - keyStart > keyLimitBytes) {
      processor.reject();
      rejects.deadLetter(reader, "KEY_OVERSIZE");
      return true;
    }
    const decoded = decisions.refusesSchema(reader.offset)
      ? this.#wiring.decoder.refused(buffer, valueStart, valueEnd, reader)
      : this.#wiring.decoder.decode(buffer, valueStart, valueEnd, reader);
    if (decoded.kind === "need-schema") {
      this.#missingSchema = decoded.id;
      return false;
    }
    if (decoded.kind === "failed") {
      processor.reject();
      if (decoded.code === "UNKNOWN_SCHEMA") decisions.schemaRefused(reader.offset);
      rejects.deadLetter(reader, decoded.code, decoded.reason);
      return true;
    }
    const { timeField, latenessMs, maxJumpMs = usualMaxJumpMs } = processor.source;
    const latest = decisions.latestEventTime(processor.streamTime, reader.offset, maxJumpMs);
    const isAhead = (decoded.value[timeField] as number) > latest;
    if (!isAhead && (decoded.value[timeField] as number) >= decisions.end) {
      return this.#leaveToNextRun();
    }
    if (isAhead || this.#aheadMs > 0) {
      const eventTime = Number(decoded.value[timeField]);
      this.#aheadMs = isAhead ? decisions.aheadMs(eventTime) : 0;
      this.#waitsForClock = isAhead && decisions.waits(eventTime, latenessMs);
      if (this.#waitsForClock) return false;
    }
    const key = keyStart < 0 ? null : buffer.toString("utf8", keyStart, keyEnd);
    const { placement } = this;
    processor.placedBy = placement.countsAt(reader.offset);
    const { isSure } = placement;
    const outcome = processor.accept(
      ...([decoded.value, key, reader.offset, latest, this.outbox, isSure] as const),
    );
    if (outcome === "accepted") return true;
    if (outcome === "astray") {
      placement.wonder();
      return false;
    }
    if (outcome === "EVENT_TIME_AHEAD") {
      decisions.refused(reader.offset);
      const eventTime = timeText(Number(decoded.value[timeField]));
      const why = decisions.whyAhead(processor.streamTime, maxJumpMs);
      rejects.deadLetter(reader, outcome, rejectionReason(outcome, { eventTime, why }));
    } else if (outcome === "late") rejects.late(reader, decoded.value, processor);
    else if (typeof outcome === "string") rejects.deadLetter(reader, outcome);
    else rejects.deadLetter(reader, outcome.code, rejectionReason(outcome.code, outcome.facts));
    return true;
  }

  /** The record under the reader is later than the end of the run: there is nothing to warn of. */
  #leaveToNextRun(): false {
    this.#waitsForClock = true;
    this.#aheadMs = 0;
    return false;
  }
}
