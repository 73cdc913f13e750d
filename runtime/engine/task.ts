import type { FetchedPartition, OffsetToCommit, TopicPartition } from "../../broker/broker.ts";
import type { BranchCounters } from "../../processors/processor.ts";
import type { Subtopology } from "../../schemas/plan.ts";
import type { CommitBatches } from "./commit-batches.ts";

/** A partition that a task wants to read, and from where. */
export interface Wanted extends TopicPartition {
  readonly offset: number;
}

/** How large the state of a task is, as far as that can be told at once. */
export interface StateSize {
  /** Null where it does not go by keys. */
  readonly keys: number | null;
  /** In the changelog: of its last snapshot and what has come since; never less than it takes. */
  readonly bytes: number;
}

/**
 * One partition of one subtopology, driven by a worker: fetch → accept → step → collect →
 * committed. All methods are synchronous; nothing leaves a task but through `collect`.
 */
export interface Task {
  readonly subtopology: Subtopology;
  readonly partition: number;
  /** What to fetch next; null while it holds enough. */
  wanted(): Wanted | null;
  accept(fetched: FetchedPartition): void;
  /** Processes up to `budget` records and timers; returns how many. */
  step(budget: number): number;
  /** Whether a commit now would say something new. */
  readonly dirty: boolean;
  /** Makes it dirty although nothing is new. */
  forceCommit(): void;
  /** Writes everything since the last commit. Called only when nothing is awaited. */
  collect(batches: CommitBatches): OffsetToCommit;
  /** The collected commit stands; `baseOffset` tells where the first changelog record went. */
  committed(baseOffset: (topic: string, partition: number) => number | undefined): void;
  /** Changelog offset below which nothing is needed any more; null while nothing can go. */
  purgeableChangelog(): number | null;
  /** Event time below which it has processed every record and timer. */
  readonly progress: number;
  /**
   * Event time that all sources have to pass for it to go on: of a record or timer that waits;
   * Infinity where none does. Of a source that of its last record: others may wait at it.
   */
  readonly need: number;
  /** Has records in hand, or waits for work outside. */
  readonly busy: boolean;
  /** What it keeps; null where that is next to nothing. */
  readonly state: StateSize | null;
  readonly counters: ReadonlyMap<string, readonly BranchCounters[]>;
}

/** `subtopology/partition`: how a task is named in logs, metrics and assignments. */
export function taskName(subtopology: string, partition: number): string {
  return `${subtopology}/${partition}`;
}
