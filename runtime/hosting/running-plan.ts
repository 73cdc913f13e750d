import type { Plan } from "../../schemas/plan.ts";
import type { BranchAccount } from "../engine/accounting.ts";
import type { Task } from "../engine/task.ts";
import type { Scraped } from "../metrics/server.ts";

/** What one task says of itself; plain data. */
export interface TaskReport extends Pick<Task, "progress" | "counters" | "partition" | "state"> {
  /** Name of its subtopology. */
  readonly subtopology: string;
}

/** How far a plan is, for progress displays. */
export interface RunStatus {
  /** Event time that all tasks have reached, UTC ms; −Infinity before the first record. */
  readonly taskProgress: number;
  readonly commits: number;
  readonly committedRecords: number;
}

/** A plan that runs on a stack, in this process or in several. */
export interface RunningPlan {
  readonly plan: Plan;
  readonly metrics: Scraped;
  readonly status: RunStatus;
  /** Servers that are away and waited for, for people; empty: it is ready. */
  readonly waitingFor: readonly string[];
  /** Process that runs its tasks, by worker id. */
  readonly pids: ReadonlyMap<string, number>;
  /** Tasks that other runs of the plan have, e.g. on other machines. */
  readonly elsewhere: number;
  /** Of the tasks that this run has. */
  accounts(): BranchAccount[];
  /**
   * Runs until the signal aborts or, with `to`, until everything before that event time is
   * processed and stored.
   */
  run(signal: AbortSignal, to: number | null): Promise<void>;
  close(): Promise<void>;
}

/** What the processes of a plan agree on at the end of a run: they end together. */
export interface EndOfRun {
  /** Called in idle turns in which all is done here; true once all is done everywhere. */
  quiet(): boolean;
  /** Everything that any process has committed is stored. */
  drained(): void;
}
