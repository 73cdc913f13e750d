import type { Failure, WorkerReport } from "../../cli/run/worker-messages.ts";
import type { LocalServerName } from "../../stacks/local/server-state.ts";

/** What can be left out of a worker, to see that the comparison notices. */
export const controls = ["none", "transactions", "fence", "token"] as const;
export type Control = (typeof controls)[number];

/** Places of a worker at which it can be held. */
export const points = [
  /** Records and offsets of a commit are sent, the transaction is not ended. */
  "transaction",
  /** What a pump is about to write was committed to Kafka before. */
  "before-write",
  /** A sink has taken a block; the offset behind it is not committed. */
  "after-write",
  /** A task reads its changelog. */
  "restore",
  /** A pump is about to send rows to Redis. */
  "redis-batch",
] as const;
export type Point = (typeof points)[number];

/** What a worker is to wait for and stop at. */
export interface Trap {
  readonly point: Point;
  /** Times that the point is passed before it holds. */
  readonly passes: number;
  /** For writes: the store that is meant. */
  readonly store: "online" | "offline";
}

/** A batch of rows on its way to Redis. */
export interface HeldBatch {
  readonly view: string;
  readonly partition: number;
  readonly rows: readonly {
    readonly entityKey: string;
    readonly asOf: number;
    readonly seq: number;
  }[];
}

/** In the place of a data directory's name: the workers have one together. */
export const chaosMember = "chaos";

/** All that a worker needs to join. */
export interface WorkerStart {
  readonly worker: string;
  readonly directory: string;
  readonly ports: Readonly<Record<LocalServerName, number>>;
  /** End of the input, event time. */
  readonly to: number;
  readonly control: Control;
  /** Of every group, ms. */
  readonly sessionTimeoutMs: number;
  readonly trap: Trap | null;
}

export type ChaosCommand =
  | { readonly kind: "start"; readonly start: WorkerStart }
  | { readonly kind: "arm"; readonly trap: Trap }
  /** Go on with what is held. */
  | { readonly kind: "release" }
  /** Say `status` with this round once everything that you can see is done. */
  | { readonly kind: "ask"; readonly round: number }
  | { readonly kind: "stop" };

export type ChaosMessage =
  | WorkerReport
  /** Its tasks are restored. */
  | { readonly kind: "up" }
  /** It stands at the point and goes no further. */
  | {
      readonly kind: "reached";
      readonly point: Point;
      readonly where: string;
      readonly held: HeldBatch | null;
    }
  /** What was held has been done, with this error or (null) without. */
  | { readonly kind: "went-on"; readonly error: string | null }
  | { readonly kind: "trouble"; readonly what: string }
  | { readonly kind: "failed"; readonly failure: Failure };
