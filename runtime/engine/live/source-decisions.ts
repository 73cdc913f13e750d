import { durationText } from "../../../schemas/duration.ts";
import type { Decision } from "../../../schemas/generated.ts";
import { timeText } from "../../../schemas/source-time.ts";
import type { CommitBatches } from "../commit-batches.ts";
import type { AddedPartitions } from "../source-placement.ts";
import type { DecisionLog } from "./decision-log.ts";

/** Replay: no first record of a partition lies beyond; sentinels such as 9999-12-31 do. */
const latestFirstEventTime = Date.UTC(2100, 0);
/**
 * Live: an event time beyond the wall clock by more than this is refused in any case, so a row is
 * in force for as much longer than its ttl.
 */
export const liveMostAheadMs = 3_600_000;

/** Live: what becomes of records whose event time lies beyond the wall clock. */
export interface AheadRule {
  /** Up to here they are taken as they come, ms. */
  readonly maxAheadMs: number;
  /**
   * What lies beyond waits until the clock has come so near, where that makes no record behind it
   * late (not longer than the lateness of the source); else, or with `refuse`, it is refused.
   */
  readonly beyond: "wait" | "refuse";
}

export const usualAhead: AheadRule = Object.freeze({ maxAheadMs: 5_000, beyond: "wait" });

const unknown = Number.NEGATIVE_INFINITY;

/** What a source task needs to be told besides its records. */
export interface SourceDecisions {
  /**
   * The guard against far-future records: the largest event time admitted at an offset.
   *
   * @param maxJumpMs - of the source.
   */
  latestEventTime(streamTime: number, offset: number, maxJumpMs: number): number;
  /**
   * Why the guard refuses a record, and what to do, for people. The same whenever it is asked: no
   * clock stands in it.
   */
  whyAhead(streamTime: number, maxJumpMs: number): string;
  /** Whether a record that the guard does not admit now is to wait until it does. */
  waits(eventTime: number, latenessMs: number): boolean;
  /** How far an event time lies beyond the clock, ms; 0: not at all, or no clock decides. */
  aheadMs(eventTime: number): number;
  /** Live: where the run ends; what is later, or comes after that, is for the next one. */
  readonly end: number;
  /** The guard has refused the record at an offset. */
  refused(offset: number): void;
  /** The schema registry has given no schema for the record at an offset. */
  schemaRefused(offset: number): void;
  /** Whether it gave none when the decision was made. */
  refusesSchema(offset: number): boolean;
  /** Stream time that was decided for what stands at or beyond a position; −Infinity: none. */
  streamTimeAt(position: number): number;
  /** Nothing stood beyond a position at event time `until`: stream time has been raised to it. */
  idle(position: number, until: number): void;
  /** Numbers of partitions that counted from an offset on, as it was decided; ascending. */
  addedPartitions(): readonly AddedPartitions[];
  /** The topic has been given partitions: from an offset on keys may be placed by so many. */
  partitionsAdded(added: AddedPartitions): void;
  collect(batches: CommitBatches): void;
}

/**
 * Replay: the input alone decides, and when partitions were added.
 *
 * @param recorded - decisions of an earlier run, which are repeated. @default none
 */
export function inputDecides(
  log: DecisionLog,
  recorded: readonly Decision[] = [],
): SourceDecisions {
  return {
    ...nothingDecides,
    addedPartitions: () => addedIn(recorded),
    partitionsAdded: (added) => log.add(addition(added)),
    collect: (batches) => log.collect(batches),
  };
}

function addition({ position, partitions }: AddedPartitions) {
  return { kind: "partitions", position, writer: partitions } as const;
}

function addedIn(decisions: readonly Decision[]): AddedPartitions[] {
  return decisions
    .filter(({ kind }) => kind === "partitions")
    .map(({ position, writer }) => ({ position, partitions: writer ?? 0 }));
}

const nothingDecides: SourceDecisions = Object.freeze({
  latestEventTime: (streamTime: number, _offset: number, maxJumpMs: number) =>
    Number.isFinite(streamTime) ? streamTime + maxJumpMs : latestFirstEventTime,
  whyAhead: (streamTime: number, maxJumpMs: number) =>
    Number.isFinite(streamTime)
      ? `more than ${durationText(maxJumpMs)} beyond ${timeText(streamTime)}, to where its ` +
        "partition had come; where the source may rest so long, give its timedBy() a longer maxJump"
      : `later than ${timeText(latestFirstEventTime)}, where its partition has nothing before it`,
  waits: () => false,
  aheadMs: () => 0,
  end: Number.POSITIVE_INFINITY,
  refused: () => {},
  schemaRefused: () => {},
  refusesSchema: () => false,
  streamTimeAt: () => unknown,
  idle: () => {},
  addedPartitions: () => [],
  partitionsAdded: () => {},
  collect: () => {},
});

const whyAheadLive = () =>
  "further beyond the clock of the run than --max-ahead and the lateness of its source admit; " +
  "set the clock of its producer";

/**
 * Live mode: the wall clock decides, and what it decided is logged.
 *
 * @param now - the clock, which goes on after the end of the run.
 * @param end - event time at which the run ends, UTC ms.
 */
export function clockDecides(
  now: () => number,
  log: DecisionLog,
  { maxAheadMs, beyond }: AheadRule = usualAhead,
  end = Number.POSITIVE_INFINITY,
): SourceDecisions {
  return {
    end,
    latestEventTime: () => now() + maxAheadMs,
    waits: (eventTime, latenessMs) =>
      beyond === "wait" && eventTime - now() <= Math.min(latenessMs, liveMostAheadMs),
    whyAhead: whyAheadLive,
    aheadMs: (eventTime) => Math.max(0, eventTime - now()),
    refused: (offset) => log.add({ kind: "ahead", position: offset }),
    schemaRefused: (offset) => log.add({ kind: "unknown-schema", position: offset }),
    refusesSchema: () => false,
    streamTimeAt: () => unknown,
    idle: (position, until) => log.replaceLast({ kind: "idle", position, until }),
    addedPartitions: () => [],
    partitionsAdded: (added) => log.add(addition(added)),
    collect: (batches) => log.collect(batches),
  };
}

/** Live mode read again: what was decided then is repeated. */
export function recordDecides(decisions: readonly Decision[]): SourceDecisions {
  const positionsOf = (wanted: Decision["kind"]) =>
    new Set(decisions.flatMap(({ kind, position }) => (kind === wanted ? [position] : [])));
  const ahead = positionsOf("ahead");
  const refused = positionsOf("unknown-schema");
  const idle = decisions.filter(({ kind }) => kind === "idle");
  let next = 0;
  let streamTime = unknown;
  return {
    ...nothingDecides,
    addedPartitions: () => addedIn(decisions),
    whyAhead: whyAheadLive,
    latestEventTime: (_, offset) => (ahead.has(offset) ? unknown : Number.POSITIVE_INFINITY),
    refusesSchema: (offset) => refused.has(offset),
    streamTimeAt: (position) => {
      for (let each = idle[next]; each !== undefined && each.position <= position; ) {
        streamTime = Math.max(streamTime, each.until ?? unknown);
        each = idle[++next];
      }
      return streamTime;
    },
  };
}
