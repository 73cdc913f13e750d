import type { MemberIdentity } from "../broker.ts";
import type { BrokerClock } from "./broker-clock.ts";
import type { FaultHook } from "./storage.ts";

export interface EmbeddedBrokerOptions {
  /** Where the log lies; null: in memory, gone with the process. */
  readonly directory: string | null;
  /** Size at which a segment file is closed; files are removed whole. @default 16 MiB */
  readonly segmentBytes?: number;
  /**
   * `never` survives the death of the process at any point; `commit` also the power's, at the cost
   * of a flush a commit and partition. @default "never"
   */
  readonly fsync?: "never" | "commit";
  /**
   * Memory for what was appended last, of all partitions together, in bytes: consumers that keep up
   * never read the disk. @default 64 MiB
   */
  readonly cacheBytes?: number;
  /** Opens a directory that nobody holds for reading; nothing is repaired. @default false */
  readonly readOnly?: boolean;
  /** Time of time-outs, waits and markers. @default the system's */
  readonly clock?: BrokerClock;
  /** Crashes and full disks for tests. @default none */
  readonly faults?: FaultHook;
}

export interface EmbeddedStats {
  readonly topics: number;
  readonly partitions: number;
  /** Size of all logs. */
  readonly logBytes: number;
  /** Memory that holds parts of them. */
  readonly residentBytes: number;
  readonly journalBytes: number;
  /** Since the log was opened. */
  readonly appends: number;
  readonly appendedBytes: number;
  readonly openTransactions: number;
}

/** What the embedded broker offers besides the port. */
export interface EmbeddedControls {
  /**
   * What the death of every client does: open transactions are aborted, producers fenced, members
   * gone. The logs stay and the broker goes on.
   */
  crash(): void;
  /** Compacts the topics with `cleanup.policy=compact` now, or one of them. */
  compact(topic?: string): void;
  /** Stops the heartbeats of a member, as a process that hangs would. */
  silence(member: MemberIdentity): void;
  stats(): EmbeddedStats;
}
