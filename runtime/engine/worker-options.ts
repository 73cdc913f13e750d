import type { Broker } from "../../broker/broker.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";
import type { Execute } from "../services/service.ts";
import type { CommitReport } from "./commit-pipeline.ts";
import type { RecordAhead } from "./live/ahead-watch.ts";
import type { Instance } from "./membership.ts";
import type { SourcePace } from "./source-pace.ts";
import type { Mode, TaskTuning } from "./task-factory.ts";

export interface WorkerOptions extends TaskTuning, Pick<Instance, "artifacts"> {
  readonly plan: Plan;
  readonly broker: Broker;
  readonly registry: SchemaRegistry;
  readonly mode: Mode;
  /**
   * Stable over restarts of this process and its own in the group: a restart fences what it left
   * behind and takes its place at once. Of two processes of one id the newer one wins.
   */
  readonly instanceId: string;
  /** Has the work of tasks done: the services of this process. */
  readonly execute: Execute;
  /**
   * Time between commits while there is work, in ms: at most in live mode, where it is twice what
   * the last commit took. An idle worker commits at once. @default 100
   */
  readonly commitIntervalMs?: number;
  /** Records and timers of one task in one turn. @default 2000 */
  readonly stepBudget?: number;
  /**
   * Exactly once: whether tasks of this process hand each other what a commit gathers, so that a
   * record passes all of them in one: sooner, for a little CPU. @default in live mode alone
   */
  readonly handsOver?: boolean;
  /**
   * Wait for records when there is nothing to do, in ms, and in live mode for a look at the ends of
   * the sources that nobody needs. @default 1000 in live mode, else 100
   */
  readonly idleWaitMs?: number;
  /** Silence after which the tasks of a process go to the others, in ms. @default 30000 */
  readonly sessionTimeoutMs?: number;
  /** Whether to go on where records of a source are gone, and to count them. @default false */
  readonly acceptGaps?: boolean;
  /** Factors by source topic: see {@link SourcePace}. @default none is slowed */
  readonly slow?: ReadonlyMap<string, number>;
  /** Called after each commit. @default nobody */
  readonly onCommit?: (commit: CommitReport) => void;
  /**
   * Told who waits for a server that is away, and (null) that it goes on; more than once for one
   * outage. @default nobody
   */
  readonly onTrouble?: (who: string, error: unknown | null) => void;
  /** Live mode: told once a source that its records lie beyond the clock. @default nobody */
  readonly onAhead?: (ahead: RecordAhead) => void;
}
