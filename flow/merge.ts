/*
 * Why long: one structure of arrays, and every rule of the order over it; apart, each part would
 * need the others' fields. What is none of these, the numbers of channels, stands apart.
 */
import type { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { MillraceError } from "../schemas/errors.ts";
import { timerRank } from "../schemas/plan.ts";
import { FrameReader, payloadHeaderBytes } from "./frame.ts";
import { ChannelOrder, type MergeInput } from "./merge/channel-order.ts";
import { ForcedOrder, type OrderDecision } from "./merge/forced-order.ts";
import { ProgressMarks } from "./merge/progress-marks.ts";

export type { OrderDecision } from "./merge/forced-order.ts";
export { InboxCursor } from "./merge/inbox-cursor.ts";

export interface MergeLimits {
  /** Bytes of frames that wait in one channel before it is full. @default 1048576 */
  readonly channelBytes?: number;
}

/** A full channel takes no further frame until it has less than this waiting; an empty one does. */
const defaultChannelBytes = 1024 * 1024;

/** The unprocessed rest of one frame. */
interface QueuedFrame {
  readonly buffer: Buffer;
  /** Where it stands; of one that was handed over, below that. */
  readonly offset: number;
  /** {@link Merge.stamp} when it was accepted. */
  readonly stamp: number;
  /** Of the next payload: where its header starts, its sequence number, how many are left. */
  position: number;
  sequence: number;
  left: number;
}

const none = Number.POSITIVE_INFINITY;
const unknown = Number.NEGATIVE_INFINITY;

/**
 * Puts the records of all channels of a task, and its timers, into the one order that the inputs
 * alone decide: (knownAt, rank, input, writer, sequence), timers at `timerRank`. A record or timer
 * at K is released when every other channel holds a later record or has progress > K.
 *
 * Live mode may end a wait ({@link endWait}) and has inputs that nothing waits for. Both are
 * decisions: from a sequence number on, the records of a channel count as known at a later time.
 * Where they are given beforehand ({@link repeat}), the order is the one that they made.
 *
 * Memory: `channelBytes` and one frame a channel. A step costs O(channels), over typed arrays.
 *
 * @see Chandy and Misra, Distributed Simulation (1979): conservative synchronisation.
 */
export class Merge {
  /** Of the record that `next` released. */
  input = 0;
  writer = 0;
  knownAt = unknown;
  sequence = 0;
  buffer: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Whether a wait for records that may lie before it was ended. */
  incomplete = false;
  /** Frames that reading has brought, or left for later: what was handed over before is none. */
  news = 0;
  /** Put on the frames that are accepted from now on; see {@link waitingSince}. */
  stamp = 0;

  readonly #channelBytes: number;
  readonly #order: ChannelOrder;
  readonly #queues: QueuedFrame[][];
  /** knownAt of the oldest unprocessed record, +Infinity while there is none. */
  readonly #heads: Float64Array;
  /** Progress where the channel is empty; +Infinity where it holds a record and need not wait. */
  readonly #waits: Float64Array;
  readonly #progress: Float64Array;
  readonly #lastKnownAt: Float64Array;
  readonly #lastSequence: Float64Array;
  readonly #accepted: Float64Array;
  readonly #bytes: Float64Array;
  readonly #marks: ProgressMarks[];
  readonly #frame = new FrameReader();
  readonly #forced: ForcedOrder;
  #queued = 0;
  /** Time of the last record or timer that was released. */
  #time = unknown;

  constructor(inputs: readonly MergeInput[], limits: MergeLimits = {}) {
    this.#channelBytes = limits.channelBytes ?? defaultChannelBytes;
    const order = new ChannelOrder(inputs);
    const count = order.channels;
    this.#order = order;
    this.#queues = Array.from({ length: count }, () => []);
    this.#heads = new Float64Array(count).fill(none);
    this.#waits = new Float64Array(count).fill(unknown);
    this.#progress = new Float64Array(count).fill(unknown);
    this.#lastKnownAt = new Float64Array(count).fill(unknown);
    this.#lastSequence = new Float64Array(count);
    this.#accepted = new Float64Array(count);
    this.#bytes = new Float64Array(count);
    this.#marks = Array.from({ length: count }, () => new ProgressMarks());
    this.#forced = new ForcedOrder(
      Array.from(order.inputOf, (input) => inputs[input]?.awaited !== false),
    );
    for (let channel = 0; channel < count; channel++) this.#settle(channel);
  }

  get channels(): number {
    return this.#heads.length;
  }

  /** Records that are accepted and not yet released. */
  get queued(): number {
    return this.#queued;
  }

  /** See {@link ChannelOrder.channelOf}. */
  channelOf(input: number, writer: number): number {
    return this.#order.channelOf(input, writer);
  }

  isFull(channel: number): boolean {
    return (this.#bytes[channel] as number) >= this.#channelBytes;
  }

  /**
   * Takes one frame, copied; frames of a channel come in offset order. `full` leaves it for later:
   * offer it again, and nothing of its channel before. Payloads that were processed before a
   * restart are skipped by their sequence numbers.
   *
   * @throws {MillraceError} INBOX_DAMAGED when sequence numbers are missing, or a record lies below
   * the progress that its channel had announced.
   */
  accept(buffer: Buffer, start: number, end: number, offset: number): "accepted" | "full" {
    const frame = this.#frame;
    frame.reset(buffer, start, end);
    const channel = this.channelOf(frame.input, frame.writer);
    const accepted = this.#accepted[channel] as number;
    const last = frame.firstSequence + frame.count - 1;
    const isNew = last > accepted || frame.progress > (this.#progress[channel] as number);
    if (isNew) this.news++;
    if (isNew && this.isFull(channel)) return "full";
    if (frame.firstSequence > accepted + 1) this.#refuse(channel, "records are missing", offset);
    if (isNew) this.#take(channel, offset, end, false);
    this.#marks[channel]?.push(offset, frame.progress);
    return "accepted";
  }

  /**
   * Takes one frame from its upstream task, before it can be read: `frame` is its own from now on,
   * and stands at `from` or behind it once it is committed. It is left for the reading if a frame
   * of its channel before it has not come yet, or there is no room. What has been taken so and is
   * read later is known by its sequence numbers.
   */
  handOver(frame: Buffer, from: number): void {
    const reader = this.#frame;
    reader.reset(frame);
    const channel = this.channelOf(reader.input, reader.writer);
    const isNext = reader.firstSequence === (this.#accepted[channel] as number) + 1;
    if (isNext && !this.isFull(channel)) this.#take(channel, from, frame.length, true);
    else this.news++;
  }

  /** Takes what is new of the frame that the reader is on; copied, unless it may be kept. */
  #take(channel: number, offset: number, end: number, isOwn: boolean): void {
    const frame = this.#frame;
    const accepted = this.#accepted[channel] as number;
    const last = frame.firstSequence + frame.count - 1;
    let wanted = false;
    while (!wanted && frame.next()) wanted = frame.sequence > accepted;
    if (wanted) {
      if (frame.knownAt < (this.#progress[channel] as number)) {
        this.#refuse(channel, "a record lies below the announced progress", offset);
      }
      const from = frame.start - payloadHeaderBytes;
      this.#accepted[channel] = last;
      this.#enqueue(channel, {
        buffer: isOwn ? frame.buffer : Buffer.from(frame.buffer.subarray(from, end)),
        offset,
        stamp: this.stamp,
        position: isOwn ? from : 0,
        sequence: frame.sequence,
        left: last - frame.sequence + 1,
      });
    }
    if (frame.progress > (this.#progress[channel] as number)) {
      this.#progress[channel] = frame.progress;
      if ((this.#queues[channel] as QueuedFrame[]).length === 0) this.#settle(channel);
    }
  }

  /**
   * Releases what comes next, if it is certain: a record (see the public fields; it then counts as
   * processed) or the timer due at `timer` (Infinity: there is none).
   */
  next(timer: number): "none" | "record" | "timer" {
    const heads = this.#heads;
    const waits = this.#waits;
    let least = none;
    let channel = -1;
    let certain = none;
    for (let i = 0; i < heads.length; i++) {
      const head = heads[i] as number;
      if (head < least) {
        least = head;
        channel = i;
      }
      const wait = waits[i] as number;
      if (wait < certain) certain = wait;
    }
    const timerFirst =
      timer < least ||
      (timer === least && timer !== none && timerRank < (this.#order.rankOf[channel] as number));
    if (timerFirst) {
      if (!(certain > timer)) return "none";
      this.#time = timer;
      return "timer";
    }
    if (channel < 0 || !(certain > least)) return "none";
    this.#release(channel);
    return "record";
  }

  /** knownAt of the oldest record that waits; Infinity while none does. */
  get head(): number {
    return this.#heads[this.#leastHead()] ?? none;
  }

  /**
   * Stamp of the record that came first of those that are here: it may not be the next one, but
   * waits for it. Null while there is none.
   */
  waitingSince(): number | null {
    let since: number | null = null;
    for (let i = 0; i < this.channels; i++) {
      if (this.#heads[i] === none) continue;
      const { stamp } = (this.#queues[i] as QueuedFrame[])[0] as QueuedFrame;
      if (since === null || stamp < since) since = stamp;
    }
    return since;
  }

  /**
   * Ends the wait of the record that comes next: what the channels that hold it up have not
   * delivered counts as known after it.
   */
  endWait(): void {
    const channel = this.#leastHead();
    if (channel < 0) return;
    const knownAt = this.#heads[channel] as number;
    for (let i = 0; i < this.channels; i++) {
      const wait = this.#waits[i] as number;
      if (wait > knownAt) continue;
      this.#forced.raise(i, (this.#accepted[i] as number) + 1, wait, knownAt + 1);
      this.#settle(i);
    }
  }

  /** Decisions on the order since the last call, by channel; see {@link placeOf}. */
  takeDecisions(): OrderDecision[] {
    return this.#forced.take();
  }

  /** Repeats decisions instead of deciding: all of them, before the first frame. */
  repeat(decisions: readonly OrderDecision[]): void {
    this.#forced.repeat(decisions);
    for (let channel = 0; channel < this.channels; channel++) this.#settle(channel);
  }

  /** Input and writer of a channel. */
  placeOf(channel: number): { readonly input: number; readonly writer: number } {
    return this.#order.placeOf(channel);
  }

  /**
   * The minimum over the channels of these inputs of (knownAt of the oldest unprocessed record,
   * else progress): nothing below it is still to be processed. Infinity for no inputs.
   */
  progressOf(inputs: readonly number[]): number {
    let least = none;
    for (const input of inputs) {
      const first = this.#order.firstOf[input] as number;
      const end = first + (this.#order.channelsOf[input] as number);
      for (let channel = first; channel < end; channel++) {
        const value = this.#consumed(channel);
        if (value < least) least = value;
      }
    }
    return least;
  }

  /** How far the channel of one upstream task has been consumed. */
  consumedUpTo(input: number, writer: number): number {
    return this.#consumed(this.channelOf(input, writer));
  }

  /**
   * The offset for the commit: everything below it is processed. Progress in {@link positions} is
   * from then on that *as of this offset*: what lies beyond will be read again after a restart, and
   * its progress must not be known before its records.
   *
   * @param nextOffset - below it every frame has been accepted.
   */
  lowestUnprocessedOffset(nextOffset: number): number {
    let lowest = nextOffset;
    for (const queue of this.#queues) {
      const head = queue[0];
      if (head !== undefined && head.offset < lowest) lowest = head.offset;
    }
    for (const marks of this.#marks) marks.advanceTo(lowest);
    return lowest;
  }

  /**
   * For each channel whose it is, the last processed sequence and knownAt, the progress as of the
   * offset, and what was decided on its order.
   */
  positions(writer: ByteWriter): void {
    writer.u16(this.channels);
    writer.f64(this.#time);
    for (let channel = 0; channel < this.channels; channel++) {
      writer.u16(this.#order.inputOf[channel] as number);
      writer.u16(this.#order.writerOf[channel] as number);
      writer.f64(this.#lastSequence[channel] as number);
      writer.f64(this.#lastKnownAt[channel] as number);
      writer.f64(this.#marks[channel]?.reached ?? unknown);
      this.#forced.write(channel, writer);
    }
  }

  /**
   * Starts again from positions: queues are empty, read on from the committed offset. Returns the
   * channels that they do not know: of upstream tasks that came since. See {@link join}.
   */
  restore(reader: ByteReader): number[] {
    const known = reader.u16();
    const joined = new Set(this.#heads.keys());
    this.#queued = 0;
    this.#time = reader.f64();
    for (let n = 0; n < known; n++) {
      const [input, writer] = [reader.u16(), reader.u16()];
      const channel = this.#order.find(input, writer);
      if (channel === null) {
        throw new RangeError(
          `positions of the task ${writer} of input ${input}, which is not read`,
        );
      }
      joined.delete(channel);
      const sequence = reader.f64();
      this.#lastSequence[channel] = sequence;
      this.#accepted[channel] = sequence;
      this.#lastKnownAt[channel] = reader.f64();
      const progress = reader.f64();
      this.#progress[channel] = progress;
      this.#bytes[channel] = 0;
      this.#queues[channel] = [];
      this.#marks[channel]?.restart(progress);
      this.#forced.read(channel, reader);
      this.#settle(channel);
    }
    return [...joined];
  }

  /** Time of the last record or timer that was released; −Infinity before the first. */
  get time(): number {
    return this.#time;
  }

  /**
   * Takes a channel in whose records nobody has waited for so far: all of them count as known at
   * `floor` or later, and nothing before was incomplete without them.
   */
  join(channel: number, floor: number): void {
    this.#forced.join(channel, floor);
    this.#settle(channel);
  }

  #consumed(channel: number): number {
    const head = this.#heads[channel] as number;
    if (head !== none) return head;
    return Math.max(this.#waits[channel] as number, this.#lastKnownAt[channel] as number);
  }

  /** The channel whose record comes next, −1 while there is none. */
  #leastHead(): number {
    let least = none;
    let channel = -1;
    for (let i = 0; i < this.channels; i++) {
      const head = this.#heads[i] as number;
      if (head < least) {
        least = head;
        channel = i;
      }
    }
    return channel;
  }

  #enqueue(channel: number, frame: QueuedFrame): void {
    const queue = this.#queues[channel] as QueuedFrame[];
    queue.push(frame);
    this.#bytes[channel] = (this.#bytes[channel] as number) + frame.buffer.length;
    this.#queued += frame.left;
    if (queue.length === 1) this.#settle(channel);
  }

  /** Head and wait of a channel, after something about it has changed. */
  #settle(channel: number): void {
    const frame = (this.#queues[channel] as QueuedFrame[])[0];
    if (frame === undefined) {
      const next = (this.#accepted[channel] as number) + 1;
      const progress = this.#progress[channel] as number;
      this.#heads[channel] = none;
      this.#waits[channel] = this.#forced.any
        ? this.#forced.progress(channel, next, progress)
        : progress;
      return;
    }
    const knownAt = frame.buffer.readDoubleLE(frame.position);
    this.#heads[channel] = this.#forced.any
      ? this.#forced.knownAt(channel, frame.sequence, knownAt, this.#time)
      : knownAt;
    this.#waits[channel] = none;
  }

  #release(channel: number): void {
    const queue = this.#queues[channel] as QueuedFrame[];
    const frame = queue[0] as QueuedFrame;
    const knownAt = this.#heads[channel] as number;
    this.input = this.#order.inputOf[channel] as number;
    this.writer = this.#order.writerOf[channel] as number;
    this.knownAt = knownAt;
    this.sequence = frame.sequence;
    this.buffer = frame.buffer;
    this.start = frame.position + payloadHeaderBytes;
    this.end = this.start + frame.buffer.readUInt32LE(frame.position + 8);
    this.#lastSequence[channel] = frame.sequence;
    this.#lastKnownAt[channel] = knownAt;
    this.#time = knownAt;
    if (this.#forced.any) {
      this.incomplete = this.#forced.released(channel, frame.sequence, knownAt);
    }
    this.#queued--;
    frame.sequence++;
    frame.position = this.end;
    if (--frame.left === 0) {
      queue.shift();
      this.#bytes[channel] = (this.#bytes[channel] as number) - frame.buffer.length;
    }
    this.#settle(channel);
  }

  #refuse(channel: number, what: string, offset: number): never {
    throw new MillraceError("INBOX_DAMAGED", { what, ...this.#order.placeOf(channel), offset });
  }
}
