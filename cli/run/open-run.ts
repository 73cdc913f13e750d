import type { Logger } from "pino";
import type { Config } from "../../runtime/config/settings.ts";
import type { ResolvedConfig } from "../../runtime/config.ts";
import type { RunningPlan } from "../../runtime/hosting/running-plan.ts";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { serveMetrics } from "../../runtime/metrics/server.ts";
import type { Plan } from "../../schemas/plan.ts";
import { inspectStack } from "../../serving/stack-inspector.ts";
import { openStack } from "../../stacks/open-stack.ts";
import type { Interrupt } from "../exit.ts";
import { configLines } from "../inspect/open-inspector.ts";
import { serveInspector } from "../inspect/socket-server.ts";
import { type Close, closingAfter } from "./closing-after.ts";
import { prepareData } from "./fresh.ts";
import { createLog } from "./log.ts";
import { createProgress, type Progress } from "./progress.ts";
import { startPlan } from "./start-plan.ts";

export type RunOutcome = "done" | "failed" | "interrupted";

/** A plan that was started on its stack, with open doors. */
export interface OpenRun {
  readonly application: RunningPlan;
  readonly stack: Stack;
  /** As claimed. */
  readonly config: Config;
  readonly progress: Progress;
  readonly log: Logger;
}

/** What a data directory was claimed for. */
export interface Claimed<Before> {
  /** To start with. */
  readonly config: Config;
  /** What earlier starts left. */
  readonly before: Before;
}

/**
 * Opens the stack, claims the data directory, starts the plan and opens the doors; what was opened
 * is closed when the work is over.
 *
 * @param claim - writes down what the directory is for; its lock is held then.
 */
export function withRun<Before>(
  plan: Plan,
  resolved: ResolvedConfig,
  interrupt: Pick<Interrupt, "begin">,
  claim: () => Promise<Claimed<Before>>,
  work: (run: OpenRun, before: Before) => Promise<RunOutcome>,
): Promise<RunOutcome> {
  return closingAfter(async (closing) => {
    await prepareData(resolved.config);
    const progress = createProgress(process.stdout);
    closing.push(async () => progress.stop());
    const log = createLog(resolved.config.logLevel);
    const { http: httpPort, data } = resolved.config;
    const stack = await openStack(resolved.config, { httpPort, exclusive: true });
    closing.push(() => stack.close());
    const { config, before } = await claim();
    log.info({ data, from: config.from, to: config.to }, "stack opened");
    const application = await startPlan(plan, stack, config, progress, log);
    interrupt.begin();
    closing.push(() => application.close());
    await openDoors(application, stack, resolved, progress, closing);
    return await work({ application, stack, config, progress, log }, before);
  });
}

/** Socket, metrics and ClickHouse's interface. */
async function openDoors(
  application: RunningPlan,
  stack: Stack,
  resolved: ResolvedConfig,
  progress: Progress,
  closing: Close[],
): Promise<void> {
  const { config } = resolved;
  const now = () => (config.live ? Date.now() : null);
  const inspector = inspectStack(application.plan, stack, configLines(resolved), now);
  const socket = await serveInspector(inspector, config.data);
  closing.push(() => socket.close());
  if (config.metrics !== null) {
    const metrics = await serveMetrics(application.metrics, config.metrics);
    closing.push(() => metrics.close());
    progress.say(`metrics     http://127.0.0.1:${metrics.port}/metrics`);
  }
  if (stack.offlineAddress !== null) progress.say(`ClickHouse  ${stack.offlineAddress}`);
}
