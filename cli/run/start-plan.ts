import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../../runtime/config/settings.ts";
import type { Mode } from "../../runtime/engine/task-factory.ts";
import { Application } from "../../runtime/hosting/application.ts";
import { closeAll } from "../../runtime/hosting/close-all.ts";
import { GrowingPlan } from "../../runtime/hosting/growing-plan.ts";
import { instanceOf } from "../../runtime/hosting/member.ts";
import type { TellOutage } from "../../runtime/hosting/outages.ts";
import type { RunningPlan } from "../../runtime/hosting/running-plan.ts";
import { RunningPlans } from "../../runtime/hosting/running-plans.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import type { Plan } from "../../schemas/plan.ts";
import { tellingOf } from "./outage-text.ts";
import type { Progress } from "./progress.ts";
import { WorkerGroup } from "./worker-group.ts";

/** Where and how plans are started. */
interface Surroundings {
  /** Module that worker processes load; null: a program runs the plans, all in this process. */
  readonly module: string | null;
  readonly stack: Stack;
  readonly config: Config;
  /** Name of the data directory among those that run the plans. */
  readonly member: string;
  /** Of a live run: where it ends, UTC ms. */
  readonly until: number;
  readonly progress: Progress;
  readonly log: Logger;
}

/** Starts the topologies of an application, or none where one fails. */
export async function startPlans(
  plans: readonly Plan[],
  around: Surroundings,
): Promise<RunningPlans> {
  const started: RunningPlan[] = [];
  try {
    for (const plan of plans) {
      started.push(await startPlan(plan, around));
    }
    return new RunningPlans(started);
  } catch (error) {
    // Why it could not start says more than what then could not be closed.
    await closeAll(started.map((part) => () => part.close())).catch(() => {});
    throw error;
  }
}

/** With what was added to its sources since, and what is added while it runs. */
function startPlan(plan: Plan, around: Surroundings): Promise<RunningPlan> {
  const { stack, progress, log } = around;
  return GrowingPlan.start({
    plan,
    broker: stack.broker,
    start: () => startOnSources(plan, around),
    onTakenUp: ({ topic, before, now }) => {
      log.info({ plan: plan.name, topic, before, now }, "partitions added");
      progress.say(
        `${topic} has ${now} partitions, ${before} before: ${plan.name} reads the new ones, too.`,
      );
    },
  });
}

/** In this process, or in as many worker processes as the configuration wants. */
async function startOnSources(
  plan: Plan,
  { module, stack, config, member, until, progress, log }: Surroundings,
): Promise<RunningPlan> {
  const say = tellingOf(progress, log);
  if (config.workers > 1 && module !== null) {
    return WorkerGroup.start({
      plan,
      module,
      stack,
      config,
      member,
      until,
      log,
      onOutage: say,
      onDeath: (worker, how) => progress.say(`Worker ${worker} ${how}; it is started again.`),
    });
  }
  const only = { member, worker: "0" };
  const application = await startApplication(plan, stack, config, until, only, say, log);
  log.info("tasks restored");
  return application;
}

/** A worker of a data directory's run. On Kafka it takes over from one of its id killed before. */
interface WorkerPlace {
  /** Name of the data directory among those that run the plan. */
  readonly member: string;
  readonly worker: string;
}

/**
 * Starts the tasks that the group gives to this process.
 *
 * @param until - of a live run: where it ends, UTC ms.
 */
export function startApplication(
  plan: Plan,
  stack: Stack,
  config: Config,
  until: number,
  { member, worker }: WorkerPlace,
  onOutage: TellOutage,
  log: Logger,
): Promise<Application> {
  return Application.start({
    plan,
    stack,
    mode: modeOf(config, until),
    instanceId: instanceOf(member, worker),
    scoringThreads: config.scoringThreads,
    commitIntervalMs: config.commitIntervalMs,
    spill: {
      directory: join(config.data, "spill", `${plan.name}-${worker}`),
      entries: config.labelEntries,
    },
    rowTopicBytes: config.rowTopicMb * 1024 * 1024,
    stateBudgetBytes: config.stateBudgetMb * 1024 * 1024,
    slow: config.slow,
    acceptGaps: config.acceptGaps,
    onOutage,
    warn: (message, facts) => log.warn(facts, message),
  });
}

function modeOf(config: Config, end: number): Mode {
  const { live, maxWait: maxWaitMs, maxAhead: maxAheadMs, ahead: beyond } = config;
  if (!live) return { kind: "replay" };
  return { kind: "live", now: Date.now, end, maxWaitMs, ahead: { maxAheadMs, beyond } };
}
