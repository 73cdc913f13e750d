import type { Broker } from "../../broker/broker.ts";
import type { Sink } from "../../sinks/sink.ts";
import type { Tally } from "../row-topics/tally.ts";
import type { BlockBudget } from "./block-budget.ts";
import type { SharedFetch } from "./shared-fetch.ts";

/** Records of a partition that no sink will ever get: `[from, next)` are gone. */
export interface PumpGap {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly from: number;
  readonly next: number;
}

export interface SinkPumpOptions {
  readonly broker: Broker;
  readonly topic: string;
  /** All partitions of the topic; the group gives this pump its share of them. */
  readonly partitions: readonly number[];
  readonly sink: Sink;
  /** Consumer group; its committed offsets are the pump's memory. */
  readonly group: string;
  /** Stable over restarts: a restart takes its old place at once. @default none */
  readonly instanceId?: string;
  /** Rows that close a block. @default 50000 */
  readonly maxRows?: number;
  /** Bytes that close a block. @default 8388608 */
  readonly maxBytes?: number;
  /** Age in ms that closes a block; more where writing takes long. @default 1000 */
  readonly maxWaitMs?: number;
  /** How long a stop waits for a write in hand, in ms. @default 10000 */
  readonly stopWithinMs?: number;
  /** How long a write goes without an answer until that is told, in ms. @default 30000 */
  readonly silentMs?: number;
  /** Shared by the pumps of a process. @default 256 MiB of its own */
  readonly budget?: BlockBudget;
  /** Fetches for all pumps of a process together. @default each for itself, as fast as it can */
  readonly shared?: SharedFetch;
  /** What was purged of each partition, once every sink had it. @default nothing */
  readonly purged?: () => Promise<readonly Pick<Tally, "below" | "rows">[]>;
  /**
   * Asked whether to go on though rows will be missing, or stand beside those of a topic that was
   * deleted. @default the pump ends with PUMP_GAP or OFFLINE_OTHER_TOPIC
   */
  readonly accept?: (gap: PumpGap) => Promise<boolean>;
  /** Told once when the sink begins to fail, and once (null) when it is back. @default nobody */
  readonly onTrouble?: (error: unknown | null) => void;
}

export const pumpDefaults = {
  maxRows: 50_000,
  maxBytes: 8 * 1024 * 1024,
  maxWaitMs: 1_000,
  stopWithinMs: 10_000,
  silentMs: 30_000,
} as const;
