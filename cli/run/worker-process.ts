import type { Application } from "../../runtime/hosting/application.ts";
import { Outages, type TellOutage } from "../../runtime/hosting/outages.ts";
import { evolutionOf } from "../../runtime/hosting/strands.ts";
import { mayStart, retry } from "../../runtime/retry.ts";
import { withoutNames } from "../../schemas/plan-names.ts";
import { openStack } from "../../stacks/open-stack.ts";
import { loadApplication } from "../application/load-application.ts";
import { exitCodes } from "../exit.ts";
import { createLog } from "./log.ts";
import { startApplication } from "./start-plan.ts";
import {
  packError,
  unpackConfig,
  type WorkerCommand,
  type WorkerMessage,
} from "./worker-messages.ts";

/*
 * One of several processes that run the tasks of a topology (`--workers`). Its parent opens the
 * doors, feeds, and decides about the end; it dies with its parent.
 */

/** Time between two reports, ms. */
const reportEveryMs = 500;

/** Sends to the parent; resolves when it is under way. */
function tell(message: WorkerMessage): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

class WorkerProcess {
  readonly #stop = new AbortController();
  #application: Application | null = null;
  #asked: number | null = null;
  #draining = false;
  #isStarted = false;

  take(command: WorkerCommand): void {
    if (command.kind === "start") void this.#main(command);
    else if (command.kind === "ask") this.#asked = command.round;
    else if (command.kind === "drain") this.#draining = true;
    else if (command.kind === "stop") this.#end();
    else void this.#tellMetrics(command.request);
  }

  /** One that was never told what to run has nothing to bring to its end. */
  #end(): void {
    if (!this.#isStarted) process.exit(exitCodes.done);
    this.#stop.abort();
  }

  async #main(command: WorkerCommand & { kind: "start" }): Promise<void> {
    this.#isStarted = true;
    try {
      await this.#run(command);
      process.exit(exitCodes.done);
    } catch (error) {
      await tell({ kind: "failed", failure: packError(error) });
      process.exit(exitCodes.failed);
    }
  }

  async #run(start: WorkerCommand & { kind: "start" }): Promise<void> {
    const { worker, member, until } = start;
    const config = unpackConfig(start.config);
    const { spec } = await loadApplication(start.module);
    const log = createLog(config.logLevel).child({ worker });
    const onOutage: TellOutage = (what, error) => {
      log.warn({ what, error }, "outage");
      void tell({ kind: "outage", what, error });
    };
    // Servers answered when the run began: whatever a later process misses comes back.
    const starting = new Outages(onOutage);
    const patient = {
      mayPass: mayStart,
      tell: (error: unknown | null) => starting.note("its servers", error),
    };
    const stack = await retry(() => openStack(config, { exclusive: false }), patient);
    const evolved = await retry(
      () => Promise.all(spec.topologies.map((plan) => evolutionOf(stack.broker, plan))),
      patient,
    );
    // One whose place was taken since the run began goes on until it ends.
    const plans = evolved.flatMap(({ running, retired }) => [...running, ...retired]);
    const plan = plans.find(({ name }) => name === start.plan);
    if (plan === undefined) throw new RangeError(`${start.module} has no topology ${start.plan}`);
    const application = await retry(
      () =>
        startApplication(
          withoutNames(plan),
          stack,
          config,
          until,
          { member, worker },
          onOutage,
          log,
        ),
      patient,
    );
    this.#application = application;
    log.info("tasks restored");
    const reporting = setInterval(() => this.#report(application, null), reportEveryMs);
    try {
      await application.run(this.#stop.signal, until, {
        quiet: () => this.#quiet(application),
        drained: () => void tell({ kind: "drained" }),
      });
    } finally {
      clearInterval(reporting);
    }
    await application.close();
    await stack.close();
  }

  #quiet(application: Application): boolean {
    if (this.#asked !== null) this.#report(application, this.#asked);
    this.#asked = null;
    return this.#draining;
  }

  #report(application: Application, round: number | null): void {
    const { commits, committedRecords } = application.status;
    const { instances } = application;
    const tasks = application.tasks();
    void tell({ kind: "status", round, commits, committedRecords, tasks, instances });
  }

  async #tellMetrics(request: number): Promise<void> {
    const metrics = (await this.#application?.metrics.registry.getMetricsAsJSON()) ?? [];
    await tell({ kind: "metrics", request, metrics });
  }
}

// Ctrl-C reaches the whole process group; the parent says when to stop.
for (const name of ["SIGINT", "SIGHUP"] as const) process.on(name, () => {});
// A parent that was killed says nothing: the next run goes on from what is committed.
process.once("disconnect", () => process.exit(exitCodes.failed));
const worker = new WorkerProcess();
process.on("message", (command: WorkerCommand) => worker.take(command));
