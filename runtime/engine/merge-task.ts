import type { FetchedPartition, OffsetToCommit } from "../../broker/broker.ts";
import { RecordReader } from "../../broker/record-batch/reader.ts";
import { InboxCursor, Merge } from "../../flow/merge.ts";
import type { ExternalWork, Processor } from "../../processors/processor.ts";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { InputSpec, Subtopology } from "../../schemas/plan.ts";
import { ranks } from "../../schemas/plan.ts";
import {
  changelogOf,
  type Restorable,
  type TaskChangelog,
  writeDelta,
  writeSnapshot,
} from "./changelog.ts";
import { ChangelogCut } from "./changelog-cut.ts";
import type { CommitBatches } from "./commit-batches.ts";
import { DeltaLog, MutedOutbox, replayDelta } from "./delta-log.ts";
import type { MergeDecisions } from "./live/merge-decisions.ts";
import { type StateSize, type Task, taskName, type Wanted } from "./task.ts";
import { type OutboxWiring, TaskOutbox } from "./task-outbox.ts";

/** A snapshot replaces the deltas once they outgrow it by this factor, and this size in bytes. */
export interface SnapshotRule {
  readonly factor: number;
  readonly minBytes: number;
  /** Bytes of a snapshot beyond which the task stops. @default 536870912 */
  readonly budgetBytes?: number;
}

/** See {@link SnapshotRule}. */
export const defaultBudgetBytes = 512 * 1024 * 1024;

export const defaultSnapshots: SnapshotRule = { factor: 4, minBytes: 4 * 1024 * 1024 };

/** A task behind an inbox: merges its channels and drives a processor. */
export class MergeTask implements Task, Restorable {
  readonly subtopology: Subtopology;
  readonly partition: number;
  readonly changelog: TaskChangelog;
  readonly processor: Processor;
  readonly outbox: TaskOutbox;
  readonly #merge: Merge;
  readonly #cursor: InboxCursor;
  readonly #delta = new DeltaLog();
  readonly #reader = new RecordReader();
  readonly #payload = new ByteReader();
  readonly #positions = new ByteWriter();
  readonly #triggersOf: readonly (readonly number[])[];
  readonly #inputs: readonly number[];
  readonly #updates: readonly number[];
  readonly #decisions: MergeDecisions;
  readonly #snapshots: SnapshotRule;
  /** Work that the world outside does; what is never answered is not waited for. */
  #work: ExternalWork | null = null;
  #unanswered = false;
  #awaiting = false;
  /** {@link Merge.news} before the last fetch; none has been accepted yet. */
  #knownNews = -1;
  #processed = 0;
  #isForced = false;
  #committedOffset = 0;
  #committedProgress = Number.NEGATIVE_INFINITY;
  #deltaBytes = 0;
  #snapshotBytes = 0;
  readonly #cut = new ChangelogCut();

  constructor(
    subtopology: Subtopology,
    partition: number,
    processor: Processor,
    wiring: OutboxWiring,
    decisions: MergeDecisions,
    snapshots: SnapshotRule = defaultSnapshots,
  ) {
    this.subtopology = subtopology;
    this.partition = partition;
    this.changelog = changelogOf(subtopology, partition);
    this.processor = processor;
    this.#decisions = decisions;
    this.#snapshots = snapshots;
    this.outbox = new TaskOutbox(subtopology, partition, wiring);
    const inputs = subtopology.inputs.map((input) => ({
      rank: ranks[input.role],
      ...writersOf(input, partition, wiring),
      awaited: decisions.awaits(input),
    }));
    this.#merge = new Merge(inputs);
    decisions.prepare(this.#merge, subtopology.inputs);
    this.#cursor = new InboxCursor(this.#merge);
    this.#inputs = indexesOf(subtopology, () => true);
    this.#updates = indexesOf(subtopology, (input) => input.role === "update");
    this.#triggersOf = subtopology.outputs.map((output) =>
      output.kind === "inbox"
        ? indexesOf(subtopology, (input) => output.triggers.includes(input.name))
        : [],
    );
  }

  /**
   * Whether reading brings it what it does not have: until a fetch has brought nothing new, since
   * when it has been handed over all that came.
   */
  get isBehindReading(): boolean {
    return this.#merge.news !== this.#knownNews;
  }

  wanted(): Wanted | null {
    const offset = this.#cursor.nextOffset();
    if (offset === null) return null;
    return { topic: this.subtopology.inbox, partition: this.partition, offset };
  }

  accept(fetched: FetchedPartition): void {
    const reader = this.#reader;
    reader.open(fetched, "read_committed");
    this.#knownNews = this.#merge.news;
    this.#merge.stamp = this.#decisions.now();
    this.#cursor.startFetch(fetched.offset);
    while (reader.next()) {
      this.#cursor.offer(reader.offset, reader.buffer, reader.valueStart, reader.valueEnd);
    }
    this.#cursor.endFetch(reader.nextOffset);
  }

  /**
   * Takes a frame for its partition from the task that sends it, in the commit that is being
   * gathered: what the task makes of it is committed with it or later. See {@link Merge.handOver}.
   */
  handOver(frame: Buffer): void {
    this.#merge.stamp = this.#decisions.now();
    this.#merge.handOver(frame, this.#cursor.position());
  }

  step(budget: number): number {
    if (this.#awaiting || this.#asks) return 0;
    const { processor, outbox } = this;
    const merge = this.#merge;
    let taken = 0;
    while (taken < budget && !outbox.isFull(this.#delta.bytes)) {
      const timer = processor.nextTimer();
      const kind = merge.next(timer);
      if (kind === "none") {
        const since = merge.waitingSince();
        if (since === null || !this.#decisions.isOver(since)) break;
        merge.endWait();
        continue;
      }
      taken++;
      if (kind === "timer") {
        processor.onTimer(timer, outbox);
        this.#delta.timer();
        continue;
      }
      this.#take(merge);
    }
    this.#processed += taken;
    return taken;
  }

  /** Work for the world outside; once it returns some, the task waits for {@link settle}. */
  takeWork(): ExternalWork | null {
    if (this.#awaiting) return null;
    const work = this.processor.takeWork?.() ?? null;
    if (work === null) return null;
    this.#work = work;
    this.#awaiting = true;
    const known = this.#decisions.known(work);
    if (known === undefined) return this.#decisions.left(work);
    if (known === null) this.#unanswered = true;
    else this.settle(known);
    return null;
  }

  settle(result: Buffer): void {
    const work = this.#work;
    if (work === null) throw new RangeError(`${this.subtopology.name}: a result without work`);
    this.#awaiting = false;
    this.#work = null;
    const counted = this.#decisions.settled(work, result);
    this.#delta.settled(counted);
    this.processor.settle?.(new ByteReader(counted), this.outbox);
  }

  get state(): StateSize {
    return {
      keys: this.processor.keys ?? null,
      bytes: this.#snapshotBytes + this.#deltaBytes,
    };
  }

  get #asks(): boolean {
    return this.processor.asks === true;
  }

  get awaiting(): boolean {
    return this.#awaiting;
  }

  forceCommit(): void {
    this.#isForced = true;
  }

  get dirty(): boolean {
    if (this.#awaiting || this.#asks) return false;
    return (
      this.#isForced ||
      this.#processed > 0 ||
      this.outbox.pending > 0 ||
      this.progress > this.#committedProgress ||
      this.outbox.hasNews((output) => this.#progressOf(output))
    );
  }

  /** Whether it has something to say besides how far it is. */
  get hasResults(): boolean {
    return this.#isForced || this.#processed > 0 || this.outbox.pending > 0;
  }

  collect(batches: CommitBatches): OffsetToCommit {
    this.outbox.collect(batches, (output) => this.#progressOf(output));
    this.#decisions.collect(this.#merge, this.subtopology.inputs, batches);
    const offset = this.#merge.lowestUnprocessedOffset(this.#cursor.position());
    const positions = this.#encodePositions(offset);
    const parts = this.#delta.take();
    if (this.#deltaBytes > this.#deltaLimit()) {
      const state = new ByteWriter(this.#snapshotBytes + 64 * 1024);
      this.processor.snapshot(state);
      const bytes = state.take();
      this.#checkBudget(bytes.length);
      this.#cut.wrote(writeSnapshot(batches, this.changelog, bytes, positions));
      this.#snapshotBytes = bytes.length;
      this.#deltaBytes = 0;
    } else {
      this.#deltaBytes += writeDelta(batches, this.changelog, parts, positions);
    }
    this.#processed = 0;
    this.#isForced = false;
    this.#committedOffset = offset;
    this.#committedProgress = this.progress;
    return { topic: this.subtopology.inbox, partition: this.partition, offset };
  }

  /** The nearer the state is to its budget, the sooner it is looked at. */
  #deltaLimit(): number {
    const { factor, minBytes, budgetBytes = defaultBudgetBytes } = this.#snapshots;
    const left = Math.max(budgetBytes - this.#snapshotBytes, budgetBytes / 8);
    return Math.max(
      Math.min(minBytes, budgetBytes / 8),
      Math.min(this.#snapshotBytes * factor, left),
    );
  }

  #checkBudget(bytes: number): void {
    const { budgetBytes = defaultBudgetBytes } = this.#snapshots;
    if (bytes <= budgetBytes) return;
    throw new MillraceError("STATE_BUDGET", {
      task: taskName(this.subtopology.name, this.partition),
      bytes,
      budgetBytes,
      keys: this.processor.keys ?? 0,
    });
  }

  committed(baseOffset: (topic: string, partition: number) => number | undefined): void {
    this.#cut.committed(baseOffset(this.subtopology.changelog, this.partition));
  }

  purgeableChangelog(): number | null {
    return this.#cut.take();
  }

  /** Inbox offset below which everything is processed and committed. */
  get committedOffset(): number {
    return this.#committedOffset;
  }

  get progress(): number {
    return Math.min(this.#merge.progressOf(this.#inputs), this.processor.nextTimer());
  }

  get need(): number {
    return Math.min(this.#merge.head, this.processor.nextTimer());
  }

  /** How far the channel of one upstream task has been consumed: event time. */
  consumedUpTo(input: number, writer: number): number {
    return this.#merge.consumedUpTo(input, writer);
  }

  /** Records that wait for a time that no input has reached do not count: nothing can be done. */
  get busy(): boolean {
    return (this.#awaiting && !this.#unanswered) || this.#asks;
  }

  get counters() {
    return this.processor.counters;
  }

  restoreSnapshot(state: Buffer): void {
    this.processor.restore(new ByteReader(state));
    this.#snapshotBytes = state.length;
  }

  replayDelta(parts: readonly Buffer[]): void {
    const muted = new MutedOutbox();
    for (const part of parts) replayDelta(part, this.processor, muted);
  }

  restorePositions(positions: Buffer, deltaBytes: number): void {
    this.#deltaBytes = deltaBytes;
    const reader = new ByteReader(positions);
    this.#committedOffset = reader.f64();
    const joined = this.#merge.restore(reader);
    this.outbox.readPositions(reader);
    for (const channel of joined) this.#join(channel);
    this.#committedProgress = this.progress;
    this.#cursor.restart(this.#committedOffset);
  }

  /**
   * The channel of an upstream task that was not there before: a partition was added to a source.
   * What it sends counts as known after all that was processed and promised without it; that is a
   * decision, for it depends on when the partition was found.
   */
  #join(channel: number): void {
    const { input, writer } = this.#merge.placeOf(channel);
    const promised = this.subtopology.outputs.map((output, index) => {
      const triggers = output.kind === "rows" ? this.#updates : this.#triggersOf[index];
      const isTrigger = triggers?.includes(input) === true;
      const lookAheadMs = output.kind === "inbox" ? output.lookAheadMs : 0;
      return isTrigger ? this.outbox.announced(index) - lookAheadMs : Number.NEGATIVE_INFINITY;
    });
    // What is known at a promise is within it; what was released at a time has passed that.
    const floor = Math.max(Math.floor(this.#merge.time) + 1, ...promised.map(Math.ceil));
    if (!Number.isFinite(floor)) return;
    this.#merge.join(channel, floor);
    const { name } = this.subtopology.inputs[input] as InputSpec;
    this.#decisions.joined(name, writer, floor);
  }

  #take(merge: Merge): void {
    const { input, knownAt } = merge;
    const { writer, buffer, start, end } = merge;
    if (this.processor.changesState(input)) {
      this.#delta.record(input, writer, knownAt, buffer, start, end);
    }
    this.#payload.reset(buffer, start, end);
    this.processor.process(input, writer, knownAt, this.#payload, this.outbox, merge.incomplete);
  }

  /** DESIGN "What a task promises": its trigger inputs, its next timer, and look-ahead. */
  #progressOf(output: number): number {
    const spec = this.subtopology.outputs[output];
    if (spec?.kind === "rows") {
      return Math.min(this.#merge.progressOf(this.#updates), this.processor.nextTimer());
    }
    if (spec?.kind !== "inbox") return Number.NEGATIVE_INFINITY;
    const inputs = this.#merge.progressOf(this.#triggersOf[output] ?? []);
    const timer = spec.timers ? this.processor.nextTimer() : Number.POSITIVE_INFINITY;
    return Math.min(inputs, timer) + spec.lookAheadMs;
  }

  #encodePositions(offset: number): Buffer {
    const writer = this.#positions;
    writer.reset();
    writer.f64(offset);
    this.#merge.positions(writer);
    this.outbox.writePositions(writer);
    return writer.take();
  }
}

/** Tells a task that the world outside has something to say that it may want to know. */
export function tellNews(task: Task): void {
  if (task instanceof MergeTask) task.processor.news?.();
}

function indexesOf(subtopology: Subtopology, wants: (input: InputSpec) => boolean): number[] {
  return subtopology.inputs.flatMap((input, index) => (wants(input) ? [index] : []));
}

/** Which upstream tasks write to an input of a partition. */
function writersOf(input: InputSpec, partition: number, wiring: OutboxWiring) {
  if (input.channels === "all") return { channels: wiring.subtopologyOf(input.from).partitions };
  return { channels: 1, firstWriter: input.channels === "same" ? partition : 0 };
}
