import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { BranchAccount } from "../engine/accounting.ts";
import { type TakenUp, takeUpAddedPartitions } from "../engine/added-partitions.ts";
import type { Scraped } from "../metrics/server.ts";
import { mayGoOn, retry } from "../retry.ts";
import type { RunningPlan, RunStatus } from "./running-plan.ts";

export interface GrowingPlanOptions {
  readonly plan: Plan;
  readonly broker: Broker;
  /** Starts the plan on its sources as they are. */
  readonly start: () => Promise<RunningPlan>;
  /** Told what was taken up, before it is read. */
  readonly onTakenUp: (taken: TakenUp) => void;
}

const restarting = "the tasks, which take up partitions that were added";

/**
 * A plan whose sources may be given partitions while it runs. Its tasks then end, together and in
 * order, and begin again with the new ones among them: a task cannot get an upstream task while it
 * runs, for what it has promised to others holds for all that it will ever be sent.
 */
export class GrowingPlan implements RunningPlan {
  readonly metrics: Scraped;
  readonly #options: GrowingPlanOptions;
  #running: RunningPlan;
  #isRestarting = false;
  #isClosed = false;
  /** Of the plans that ended before. */
  #before = { taskProgress: Number.NEGATIVE_INFINITY, commits: 0, committedRecords: 0 };

  private constructor(options: GrowingPlanOptions, running: RunningPlan) {
    this.#options = options;
    this.#running = running;
    const registry = () => this.#running.metrics.registry;
    this.metrics = {
      registry: {
        contentType: registry().contentType,
        metrics: () => registry().metrics(),
        getMetricsAsJSON: () => registry().getMetricsAsJSON(),
      },
    };
  }

  static async start(options: GrowingPlanOptions): Promise<GrowingPlan> {
    return new GrowingPlan(options, await begin(options));
  }

  get plan(): Plan {
    return this.#running.plan;
  }

  get status(): RunStatus {
    const { taskProgress, commits, committedRecords } = this.#running.status;
    const before = this.#before;
    return {
      taskProgress: Math.max(before.taskProgress, taskProgress),
      commits: before.commits + commits,
      committedRecords: before.committedRecords + committedRecords,
    };
  }

  get waitingFor(): readonly string[] {
    return this.#isRestarting ? [restarting] : this.#running.waitingFor;
  }

  get elsewhere(): number {
    return this.#running.elsewhere;
  }

  get pids(): ReadonlyMap<string, number> {
    return this.#running.pids;
  }

  accounts(): BranchAccount[] {
    return this.#running.accounts();
  }

  async run(signal: AbortSignal, to: number | null): Promise<void> {
    for (;;) {
      try {
        return await this.#running.run(signal, to);
      } catch (error) {
        if (!hasGrown(error)) throw error;
      }
      if (signal.aborted) return;
      await this.#restart(signal);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#running.close();
  }

  async #restart(signal: AbortSignal): Promise<void> {
    this.#isRestarting = true;
    try {
      this.#before = { ...this.status };
      await this.close();
      const given = { signal, mayPass: mayGoOn };
      this.#running = await retry(() => begin(this.#options), given);
      this.#isClosed = false;
    } finally {
      this.#isRestarting = false;
    }
  }
}

/** Partitions may be added between a look and the next: it is looked again. */
async function begin(options: GrowingPlanOptions): Promise<RunningPlan> {
  for (;;) {
    for (const taken of await takeUpAddedPartitions(options.broker, options.plan)) {
      options.onTakenUp(taken);
    }
    try {
      return await options.start();
    } catch (error) {
      if (!hasGrown(error)) throw error;
    }
  }
}

/** Whether a source has more partitions than were read; with fewer it was made again. */
function hasGrown(error: unknown): boolean {
  if (!(error instanceof MillraceError) || error.code !== "SOURCE_PARTITIONS") return false;
  return Number(error.context["actual"]) > Number(error.context["read"]);
}
