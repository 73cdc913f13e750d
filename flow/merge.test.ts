import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import type { MillraceError } from "../schemas/errors.ts";
import { timerRank } from "../schemas/plan.ts";
import {
  bundleVersion,
  FrameReader,
  FrameWriter,
  frameHeaderBytes,
  isMarker,
  MarkerBundle,
} from "./frame.ts";
import { ProgressMarks } from "./merge/progress-marks.ts";
import { InboxCursor, Merge } from "./merge.ts";

const inputs = [
  { rank: 3, channels: 2 },
  { rank: 0, channels: 3 },
  { rank: 1, channels: 1 },
  { rank: 3, channels: 1 },
];
const end = 1_000;

interface Sent {
  readonly knownAt: number;
  readonly input: number;
  readonly writer: number;
  readonly sequence: number;
}

/** A seeded generator of numbers in [0, 1): mulberry32. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** What the upstream tasks sent, and the commits it came in, channel by channel. */
function makeInbox(random: () => number, padBytes: number) {
  const sent: Sent[] = [];
  const commits: Buffer[][] = inputs.flatMap(({ channels }, input) =>
    Array.from({ length: channels }, (_, writer) => {
      const frames: Buffer[] = [];
      const out = new FrameWriter(input, writer);
      let knownAt = Math.floor(random() * 5);
      let sequence = 0;
      while (knownAt < 60) {
        for (let records = Math.floor(random() * 4); records > 0; records--) {
          sent.push({ knownAt, input, writer, sequence: ++sequence });
          const payload = out.begin(knownAt);
          payload.f64(sequence);
          payload.reserve(padBytes);
          out.end();
          if (random() < 0.5) knownAt += Math.floor(random() * 4);
        }
        frames.push(...out.take(knownAt));
        if (random() < 0.7) knownAt += Math.floor(random() * 6);
      }
      frames.push(...out.take(end));
      return frames;
    }),
  );
  return { sent, commits };
}

/** One log of all channels, each in its own order, some far ahead of others. */
function interleave(random: () => number, commits: readonly (readonly Buffer[])[]): Buffer[] {
  const next = commits.map(() => 0);
  const speed = commits.map(() => 0.05 + random());
  const log: Buffer[] = [];
  const total = commits.reduce((sum, frames) => sum + frames.length, 0);
  while (log.length < total) {
    const channel = Math.floor(random() * commits.length);
    if (random() > (speed[channel] as number)) continue;
    const frame = commits[channel]?.[next[channel] as number];
    if (frame === undefined) {
      speed.fill(1);
      continue;
    }
    log.push(frame);
    next[channel] = (next[channel] as number) + 1;
  }
  return bundled(random, log);
}

/** Markers of channels that stand beside each other become one record, as in a commit. */
function bundled(random: () => number, log: readonly Buffer[]): Buffer[] {
  const records: Buffer[] = [];
  const bundle = new MarkerBundle();
  const channels = new Set<number>();
  const end = () => {
    channels.clear();
    const record = bundle.take();
    if (record !== null) records.push(record);
  };
  for (const frame of log) {
    const channel = frame.readUInt32LE(0);
    const isMore = isMarker(frame) && random() < 0.8;
    if (!isMore || channels.has(channel)) end();
    if (isMore) {
      channels.add(channel);
      bundle.add(frame);
    } else records.push(frame);
  }
  end();
  return records;
}

interface Committed {
  readonly offset: number;
  readonly positions: Buffer;
  readonly lines: number;
  readonly timer: number;
}

/** A timer is due every 7 ms from 3 on; what comes of a step is a line. */
class Reader {
  readonly lines: string[] = [];
  merge: Merge;
  cursor: InboxCursor;
  #timer = 3;
  #committed: Committed = { offset: 0, positions: Buffer.alloc(0), lines: 0, timer: 3 };
  readonly #log: readonly Buffer[];
  readonly #limits: { readonly channelBytes: number };
  mostQueued = 0;

  constructor(log: readonly Buffer[], channelBytes: number) {
    this.#log = log;
    this.#limits = { channelBytes };
    this.merge = new Merge(inputs, this.#limits);
    this.cursor = new InboxCursor(this.merge);
    this.commit();
  }

  /** Fetches up to `frames` frames of the log below `visible`. */
  fetch(frames: number, visible: number): void {
    const from = this.cursor.nextOffset();
    if (from === null) return;
    this.cursor.startFetch(from);
    const to = Math.min(from + frames, visible);
    for (let offset = from; offset < to; offset++) {
      const frame = this.#log[offset] as Buffer;
      this.cursor.offer(offset, frame, 0, frame.length);
    }
    this.cursor.endFetch(Math.max(from, to));
    this.mostQueued = Math.max(this.mostQueued, this.merge.queued);
  }

  /** Gives it a record of the log before it can be read, as the tasks of one process do. */
  handOver(offset: number): void {
    const record = Buffer.from(this.#log[offset] as Buffer);
    const from = this.cursor.position();
    if (record[0] !== bundleVersion) {
      this.merge.handOver(record, from);
      return;
    }
    for (let at = 1; at < record.length; at += frameHeaderBytes) {
      this.merge.handOver(record.subarray(at, at + frameHeaderBytes), from);
    }
  }

  step(budget: number): number {
    for (let taken = 0; taken < budget; taken++) {
      const timer = this.#timer < 60 ? this.#timer : Number.POSITIVE_INFINITY;
      const kind = this.merge.next(timer);
      if (kind === "none") return taken;
      if (kind === "timer") {
        this.lines.push(`timer ${timer}`);
        this.#timer += 7;
        continue;
      }
      const { input, writer, knownAt, sequence, buffer, start } = this.merge;
      assert.equal(new ByteReader(buffer, start, this.merge.end).f64(), sequence);
      this.lines.push(lineOf({ knownAt, input, writer, sequence }));
    }
    return budget;
  }

  commit(): void {
    const offset = this.merge.lowestUnprocessedOffset(this.cursor.position());
    const positions = new ByteWriter();
    this.merge.positions(positions);
    const lines = this.lines.length;
    this.#committed = { offset, positions: positions.take(), lines, timer: this.#timer };
  }

  crash(): void {
    this.merge = new Merge(inputs, this.#limits);
    this.cursor = new InboxCursor(this.merge);
    this.merge.restore(new ByteReader(this.#committed.positions));
    this.cursor.restart(this.#committed.offset);
    this.lines.length = this.#committed.lines;
    this.#timer = this.#committed.timer;
  }
}

function lineOf({ knownAt, input, writer, sequence }: Sent): string {
  return `${knownAt} input ${input} writer ${writer} #${sequence}`;
}

/** The one order, by sorting. */
function sorted(sent: readonly Sent[]): string[] {
  const timers = [];
  for (let instant = 3; instant < 60; instant += 7) timers.push(instant);
  const all = [
    ...sent.map((each) => ({ ...each, rank: inputs[each.input]?.rank ?? 0, line: lineOf(each) })),
    ...timers.map((instant) => ({
      knownAt: instant,
      rank: timerRank,
      input: 0,
      writer: 0,
      sequence: 0,
      line: `timer ${instant}`,
    })),
  ];
  all.sort(
    (a, b) =>
      a.knownAt - b.knownAt ||
      a.rank - b.rank ||
      a.input - b.input ||
      a.writer - b.writer ||
      a.sequence - b.sequence,
  );
  return all.map(({ line }) => line);
}

/**
 * Runs a schedule to its end.
 *
 * @param handedOver - share of the records that are handed over before they can be read.
 */
function runMerge(seeds: number, handedOver: number): void {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = seeded(seed);
    const { sent, commits } = makeInbox(random, seed % 3 === 0 ? 100 : 0);
    const log = interleave(random, commits);
    const reader = new Reader(log, seed % 2 === 0 ? 60 : 1_000_000);
    const wanted = sorted(sent);
    let visible = 0;
    for (let round = 0; reader.lines.length < wanted.length; round++) {
      assert.ok(round < 20_000, `schedule ${seed} hangs at ${reader.lines.length} lines`);
      const dice = random();
      if (dice < 0.3) {
        const before = visible;
        visible = Math.min(log.length, visible + Math.floor(random() * 12));
        for (let offset = before; offset < visible; offset++) {
          if (random() < handedOver) reader.handOver(offset);
        }
      } else if (dice < 0.6) reader.fetch(1 + Math.floor(random() * 15), visible);
      else if (dice < 0.85) reader.step(Math.floor(random() * 20));
      else if (dice < 0.97) reader.commit();
      else reader.crash();
    }
    assert.deepEqual(reader.lines, wanted, `schedule ${seed}`);
  }
}

test("any schedule of fetches, steps, commits and crashes gives the sorted order, each record once", () => {
  runMerge(150, 0);
});

test("it does so where records are handed over before they can be read, all of them or some", () => {
  runMerge(150, 0.7);
  runMerge(30, 1);
});

test("a full channel stops only itself, and what it waits for still comes", () => {
  const ahead = new FrameWriter(0, 0);
  const log: Buffer[] = [];
  for (let knownAt = 1; knownAt <= 500; knownAt++) {
    ahead.begin(knownAt).reserve(100);
    ahead.end();
    log.push(...ahead.take(knownAt));
  }
  log.push(...ahead.take(end));
  for (const [input, { channels }] of inputs.entries()) {
    for (let writer = input === 0 ? 1 : 0; writer < channels; writer++) {
      log.push(...new FrameWriter(input, writer).take(end));
    }
  }
  const merge = new Merge(inputs, { channelBytes: 1_000 });
  const cursor = new InboxCursor(merge);
  let released = 0;
  let mostQueued = 0;
  for (let fetches = 0; released < 500; fetches++) {
    assert.ok(fetches < 200);
    const from = cursor.nextOffset() ?? assert.fail("every channel is full");
    cursor.startFetch(from);
    const to = Math.min(from + 50, log.length);
    for (let offset = from; offset < to; offset++) {
      const frame = log[offset] as Buffer;
      cursor.offer(offset, frame, 0, frame.length);
    }
    cursor.endFetch(to);
    mostQueued = Math.max(mostQueued, merge.queued);
    while (merge.next(Number.POSITIVE_INFINITY) === "record") released++;
  }
  assert.ok(mostQueued <= 10, `${mostQueued} records were queued`);
});

/** Two channels of rank 3: the second has come to `progress`, the first holds a record at 10. */
function twoChannels(progress: number): Merge {
  const merge = new Merge([{ rank: 3, channels: 2 }]);
  const first = new FrameWriter(0, 0);
  first.begin(10).f64(1);
  first.end();
  accept(merge, first.take(10), 0);
  accept(merge, new FrameWriter(0, 1).take(progress), 1);
  return merge;
}

function accept(merge: Merge, frames: readonly Buffer[], offset: number): void {
  for (const frame of frames)
    assert.equal(merge.accept(frame, 0, frame.length, offset), "accepted");
}

test("a record at K waits until every other channel has progress beyond K: progress K may mean one more", () => {
  assert.equal(twoChannels(10).next(Number.POSITIVE_INFINITY), "none");
  assert.equal(twoChannels(11).next(Number.POSITIVE_INFINITY), "record");
});

test("a timer at K waits for all channels alike, and fires between the ranks", () => {
  const merge = twoChannels(10);
  assert.equal(merge.next(10), "none");
  accept(merge, new FrameWriter(0, 1).take(11), 2);
  assert.equal(merge.next(10), "timer");
  assert.equal(merge.next(Number.POSITIVE_INFINITY), "record");
  assert.equal(merge.next(10), "none");
});

test("progress of inputs is the oldest unprocessed record, else what the channel announced", () => {
  const merge = twoChannels(30);
  assert.equal(merge.progressOf([0]), 10);
  assert.equal(merge.consumedUpTo(0, 1), 30);
  assert.equal(merge.next(Number.POSITIVE_INFINITY), "record");
  assert.equal(merge.progressOf([0]), 10);
  const more = new FrameWriter(0, 0);
  more.nextSequence = 2;
  accept(merge, more.take(20), 3);
  assert.equal(merge.progressOf([0]), 20);
  assert.equal(merge.progressOf([]), Number.POSITIVE_INFINITY);
});

test("progress is restored as of the committed offset, not as it was beyond it", () => {
  const merge = twoChannels(5);
  const first = new FrameWriter(0, 0);
  first.nextSequence = 2;
  accept(merge, first.take(50), 2);
  assert.equal(merge.lowestUnprocessedOffset(3), 0);
  const positions = new ByteWriter();
  merge.positions(positions);
  const restored = new Merge([{ rank: 3, channels: 2 }]);
  restored.restore(new ByteReader(positions.take()));
  assert.equal(restored.consumedUpTo(0, 0), Number.NEGATIVE_INFINITY);
  assert.equal(restored.consumedUpTo(0, 1), Number.NEGATIVE_INFINITY);
});

test("missing records and records below announced progress are refused, not passed over", () => {
  const gap = new FrameWriter(0, 0);
  gap.nextSequence = 2;
  gap.begin(1);
  gap.end();
  const damaged = { name: "MillraceError", code: "INBOX_DAMAGED" } satisfies Partial<MillraceError>;
  const merge = new Merge([{ rank: 3, channels: 1 }]);
  const frame = gap.take(1)[0] as Buffer;
  assert.throws(() => merge.accept(frame, 0, frame.length, 0), damaged);
  accept(merge, new FrameWriter(0, 0).take(9), 0);
  const low = new FrameWriter(0, 0);
  low.begin(8);
  low.end();
  const below = low.take(9)[0] as Buffer;
  assert.throws(() => merge.accept(below, 0, below.length, 1), damaged);
  const stranger = new FrameWriter(0, 1).take(9)[0] as Buffer;
  assert.throws(() => merge.accept(stranger, 0, stranger.length, 1), damaged);
  assert.doesNotThrow(() => new FrameReader().reset(stranger));
});

test("marks beyond their limit are thinned out: progress as of an offset is never too high", () => {
  const marks = new ProgressMarks();
  for (let offset = 0; offset < 2_000; offset++) marks.push(offset, offset + 0.5);
  for (let offset = 0; offset < 2_000; offset += 3) {
    marks.advanceTo(offset);
    assert.ok(marks.reached <= offset - 0.5);
  }
  marks.advanceTo(2_000);
  assert.equal(marks.reached, 1_999.5);
});
