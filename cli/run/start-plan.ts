import type { Logger } from "pino";
import type { Config } from "../../runtime/config/settings.ts";
import type { Mode } from "../../runtime/engine/task-factory.ts";
import { Application } from "../../runtime/hosting/application.ts";
import type { OnTrouble } from "../../runtime/hosting/pumps.ts";
import type { RunningPlan } from "../../runtime/hosting/running-plan.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import type { Plan } from "../../schemas/plan.ts";
import type { Progress } from "./progress.ts";
import { WorkerGroup } from "./worker-group.ts";

/** Starts the plan in this process, or in as many worker processes as the configuration wants. */
export async function startPlan(
  plan: Plan,
  stack: Stack,
  config: Config,
  progress: Progress,
  log: Logger,
): Promise<RunningPlan> {
  const say = (topic: string, sink: string, error: string | null) =>
    progress.say(
      error === null
        ? `${sink} takes ${topic} again.`
        : `${sink} does not take ${topic} and is tried again: ${error}`,
    );
  if (config.workers > 1) {
    return WorkerGroup.start({
      plan,
      stack,
      config,
      log,
      onTrouble: say,
      onDeath: (worker, how) => progress.say(`Worker ${worker} ${how}; it is started again.`),
    });
  }
  // The id of a run killed before: on Kafka it takes over from it without waiting for its end.
  const application = await startApplication(plan, stack, config, "0", (topic, sink, error) => {
    const text = error === null ? null : String(error);
    log.warn({ topic, sink, error: text }, "sink");
    say(topic, sink, text);
  });
  log.info("tasks restored");
  return application;
}

/** Starts the tasks that the group gives to this process. */
export function startApplication(
  plan: Plan,
  stack: Stack,
  config: Config,
  instanceId: string,
  onTrouble: OnTrouble,
): Promise<Application> {
  return Application.start({
    plan,
    stack,
    mode: modeOf(config),
    instanceId,
    scoringThreads: config.scoringThreads,
    commitIntervalMs: config.commitIntervalMs,
    rowTopicBytes: config.rowTopicMb * 1024 * 1024,
    slow: config.slow,
    onTrouble,
  });
}

/** The clock of a live run stops at its end, so that its tasks come to rest there. */
function modeOf({ live, maxWait: maxWaitMs, to }: Config): Mode {
  if (!live) return { kind: "replay" };
  return { kind: "live", now: () => Math.min(Date.now(), to), maxWaitMs };
}
