import { DelayInjections } from "./delay-injections.ts";
import { departureDays } from "./departure-days.ts";
import { type FlightBlock, longestFlightMs } from "./flight-block.ts";
import type { FlightSource } from "./flight-source.ts";
import type { Injections } from "./injections.ts";
import { draw, purposes } from "./seeded.ts";

/** Step of the replay: what one transaction holds. */
export const stepMs = 30 * 60_000;

const dayMs = 86_400_000;

/** A stretch of event time `[from, to)` and how its records are disturbed. */
export interface ReplaySegment {
  readonly from: number;
  readonly to: number;
  readonly injections: Injections;
  /** Lateness of the sources, ms. */
  readonly latenessMs: number;
}

export const departureKind = 0;
export const arrivalKind = 1;
export type EventKind = typeof departureKind | typeof arrivalKind;

/** Records to send in this order; event i is `kinds[i]` of flight `rows[i]` of `blocks[i]`. */
export interface StepEvents {
  readonly blocks: readonly FlightBlock[];
  readonly rows: readonly number[];
  readonly kinds: readonly EventKind[];
  /** 0, or 1 for the second copy of a duplicate. */
  readonly copies: readonly number[];
  /** Whether its source will find it late. */
  readonly late: readonly boolean[];
}

/** What one transaction sends: the records, and how far event time is complete after them. */
export interface ReplayStep {
  /** Send time at which the next step begins; null after the last one. */
  readonly next: number | null;
  readonly watermark: number;
  readonly events: StepEvents;
}

/**
 * The records of a segment in steps of half an hour, the same ones in the same order whenever it
 * is called.
 *
 * Each record has a send time: its event time, plus up to `disorderMs`. A late record is held until
 * a step after whose predecessor's watermark its source must find it late; one whose turn would
 * come after the end is sent in a last step behind the last watermark, and one that even this
 * cannot make late is not chosen. Records stand in order of send time, departures first, then by
 * id.
 *
 * @param resumeAt - send time of the step to begin with; `-Infinity` is the first, `Infinity` the
 * last one, which holds late records alone.
 */
export async function* replaySteps(
  source: FlightSource,
  segment: ReplaySegment,
  resumeAt: number,
): AsyncGenerator<ReplayStep> {
  const { from, to, injections } = segment;
  const schedule = new Schedule(segment, resumeAt);
  const delays = new DelayInjections(injections);
  const earliest = Math.min(Math.max(resumeAt, from), to) - schedule.holdMs - stepMs;
  const firstDay = dayOf(earliest - longestFlightMs);
  const loadFrom = delays.needsHistory ? dayOf(source.start) - dayMs : firstDay;
  const endOfSending = to + injections.disorderMs;
  let start = Math.max(resumeAt, from);
  const steps = function* (until: number) {
    while (start < endOfSending && nextBoundary(start) <= until) {
      const end = nextBoundary(start);
      const isLast = end >= endOfSending && !schedule.hasFinalStep;
      yield {
        next: isLast ? null : end >= endOfSending ? Number.POSITIVE_INFINITY : end,
        watermark: Math.min(to, Math.max(from, end - injections.disorderMs)),
        events: schedule.take(floorToStep(start)),
      };
      start = end;
    }
  };
  for await (const { day, flights } of departureDays(source, loadFrom, to)) {
    delays.apply(flights);
    if (day < firstDay) continue;
    schedule.addAll(flights);
    yield* steps(day + dayMs);
  }
  yield* steps(Number.POSITIVE_INFINITY);
  if (schedule.hasFinalStep) {
    yield { next: null, watermark: to, events: schedule.take(Number.POSITIVE_INFINITY) };
  }
}

/** The records of the days read so far, by step. */
class Schedule {
  readonly holdMs: number;
  /** Late records may be left for a step behind the last watermark. */
  readonly hasFinalStep: boolean;
  readonly #segment: ReplaySegment;
  readonly #resumeAt: number;
  readonly #buckets = new Map<number, Bucket>();

  constructor(segment: ReplaySegment, resumeAt: number) {
    this.#segment = segment;
    this.#resumeAt = resumeAt;
    this.holdMs = segment.latenessMs + segment.injections.disorderMs + stepMs;
    this.hasFinalStep = segment.injections.lateShare > 0;
  }

  addAll(flights: FlightBlock): void {
    for (let row = 0; row < flights.size; row++) {
      this.#add(flights, row, departureKind, flights.departedAt[row] as number);
      this.#add(flights, row, arrivalKind, flights.arrivedAt[row] as number);
    }
  }

  /** Hands over the records of one step. */
  take(step: number): StepEvents {
    const bucket = this.#buckets.get(step) ?? new Bucket();
    this.#buckets.delete(step);
    return bucket.sorted();
  }

  #add(block: FlightBlock, row: number, kind: EventKind, eventTime: number): void {
    const { from, to, injections, latenessMs } = this.#segment;
    if (eventTime < from || eventTime >= to) return;
    const id = block.flightId[row] as number;
    const { seed, lateShare, duplicateShare } = injections;
    const late = eventTime < to - latenessMs && draw(seed, purposes.late, kind, id) < lateShare;
    const twice = draw(seed, purposes.duplicate, kind, id) < duplicateShare;
    for (let copy = 0; copy < (twice ? 2 : 1); copy++) {
      const sendTime = late ? this.#release(eventTime) : eventTime + this.#disorder(kind, copy, id);
      if (sendTime < this.#resumeAt) continue;
      const step = Number.isFinite(sendTime) ? floorToStep(sendTime) : sendTime;
      let bucket = this.#buckets.get(step);
      if (bucket === undefined) {
        bucket = new Bucket();
        this.#buckets.set(step, bucket);
      }
      bucket.add(sendTime, block, row, kind, copy, late);
    }
  }

  #disorder(kind: EventKind, copy: number, id: number): number {
    const { disorderMs, seed } = this.#segment.injections;
    if (disorderMs === 0) return 0;
    return Math.floor(draw(seed, purposes.disorder, kind * 2 + copy, id) * disorderMs);
  }

  #release(eventTime: number): number {
    const boundary = nextBoundary(eventTime + this.holdMs);
    const end = this.#segment.to + this.#segment.injections.disorderMs;
    return boundary < end ? boundary : Number.POSITIVE_INFINITY;
  }
}

/** Records of one step in parallel columns, in the order of arrival until sorted. */
class Bucket {
  readonly #times: number[] = [];
  readonly #blocks: FlightBlock[] = [];
  readonly #rows: number[] = [];
  readonly #kinds: EventKind[] = [];
  readonly #copies: number[] = [];
  readonly #late: boolean[] = [];

  add(
    sendTime: number,
    block: FlightBlock,
    row: number,
    kind: EventKind,
    copy: number,
    late: boolean,
  ): void {
    this.#times.push(sendTime);
    this.#blocks.push(block);
    this.#rows.push(row);
    this.#kinds.push(kind);
    this.#copies.push(copy);
    this.#late.push(late);
  }

  sorted(): StepEvents {
    const id = (at: number) => this.#blocks[at]?.flightId[this.#rows[at] as number] as number;
    const order = [...this.#times.keys()].sort(
      (a, b) =>
        compare(this.#times[a] as number, this.#times[b] as number) ||
        (this.#kinds[a] as number) - (this.#kinds[b] as number) ||
        id(a) - id(b) ||
        (this.#copies[a] as number) - (this.#copies[b] as number),
    );
    return {
      blocks: order.map((at) => this.#blocks[at] as FlightBlock),
      rows: order.map((at) => this.#rows[at] as number),
      kinds: order.map((at) => this.#kinds[at] as EventKind),
      copies: order.map((at) => this.#copies[at] as number),
      late: order.map((at) => this.#late[at] as boolean),
    };
  }
}

/** Also orders infinities, whose difference is not a number. */
function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function floorToStep(time: number): number {
  return Math.floor(time / stepMs) * stepMs;
}

/** First boundary after a time. */
function nextBoundary(time: number): number {
  return floorToStep(time) + stepMs;
}

function dayOf(time: number): number {
  return Math.floor(time / dayMs) * dayMs;
}
