import type { ExternalWork } from "../../processors/processor.ts";
import type { Decision } from "../../schemas/generated.ts";
import type { Plan, Subtopology } from "../../schemas/plan.ts";
import type { OfflineStore } from "../../sinks/store.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { ModelTail } from "./models/model-tail.ts";
import type { ArtifactStore } from "./train/artifacts.ts";

export type Warn = (message: string, facts: Readonly<Record<string, string | number>>) => void;

/** What the services of a process stand on. */
export interface ServiceWorld {
  readonly plan: Plan;
  readonly artifacts: ArtifactStore;
  readonly offline: Pick<OfflineStore, "query" | "queryStream">;
  /** Resolves once the rows that are committed now stand in the offline store. */
  readonly whenStored: () => Promise<void>;
  /** What somebody has said of who answers. @default nothing */
  readonly register?: Pick<ModelTail, "answering" | "champions" | "look">;
  /** Live mode: the clock, UTC ms. @default a replay, whose time is that of its records */
  readonly now?: () => number;
  /** @default 1 */
  readonly scoringThreads?: number;
  /** A run of a model that may take any time is ended after so long, ms. @default by deadlines */
  readonly scoringRunMs?: number;
  /** Whether what is read again was live: what counts was answered in time. @default false */
  readonly wasLive?: boolean;
  /** Told what somebody should look at, with its facts. @default nobody */
  readonly warn?: Warn;
  /** @default nothing is measured */
  readonly metrics?: Metrics;
}

/** A service in one process. */
export interface RunningService<Payload extends object> {
  /**
   * Does work for a task of a subtopology; gives the bytes that the processor's `settle` takes.
   *
   * @param signal - live mode: aborted when the result is no longer asked for.
   */
  run(payload: Payload, subtopology: Subtopology, signal?: AbortSignal): Promise<Buffer>;
  /** Lets what must not be stopped end, then stops; later work is refused. */
  close(): Promise<void>;
}

/** Live mode: how long a service may take. */
export interface ServiceLimit<Payload extends object> {
  /** The result of a call, or what stands for it when the call takes too long. */
  bound(
    payload: Payload,
    subtopology: Subtopology,
    call: (signal: AbortSignal) => Promise<Buffer>,
  ): Promise<Buffer>;
}

/** What is particular to a decision that a service makes. */
export type ServiceDecision = Pick<Decision, "kind" | "position"> & Partial<Decision>;

/** What live mode decided about the work of one task, read again. */
export interface RepeatedWork<Payload extends object> {
  /** The result where it is known without doing the work; undefined: do it; null: never came. */
  known(payload: Payload): Buffer | null | undefined;
  /** What of the work is left to be done. @default all of it */
  left?(payload: Payload): Payload;
  /** The result that counted, given the one that came now, of what was left. */
  settled(payload: Payload, result: Buffer): Buffer;
}

/** Everything that the engine has to know of work that only the world outside can do. */
export interface Service<Payload extends object> {
  /**
   * Whether what it does is there to stay: it is then begun only on what is committed. Else on what
   * is being committed, too: if that fails, it is done again, maybe on something else. @default
   * false
   */
  readonly lasting?: boolean;
  open(world: ServiceWorld): RunningService<Payload>;
  /** Left out: a call takes as long as it takes. */
  limit?(plan: Plan): ServiceLimit<Payload>;
  /**
   * Live mode: the result that counts, given the one that came. What a replay could not find out
   * from the input is told to `decide`.
   */
  settled(
    payload: Payload,
    result: Buffer,
    now: number,
    decide: (decision: ServiceDecision) => void,
  ): Buffer;
  /** A replay of live mode: `decisions` are those of one task, of every kind. */
  repeat(decisions: readonly Decision[]): RepeatedWork<Payload>;
}

/** Has work done; the result is what the processor's `settle` takes. */
export type Execute = (
  subtopology: Subtopology,
  work: ExternalWork,
  signal?: AbortSignal,
) => Promise<Buffer>;
