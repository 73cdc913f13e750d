import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import type { Stack } from "../../runtime/hosting/stack.ts";
import { offlineTables, offlineViews } from "../../runtime/offline/tables.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { stopLocalServers } from "../../stacks/local/local-servers.ts";
import { type LocalServerName, localServerNames } from "../../stacks/local/server-state.ts";
import { openLocalStack } from "../../stacks/local-stack.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import type { Step } from "./chaos-plan.ts";
import { type Achieved, ChaosRun } from "./chaos-run.ts";
import { type Check, compareRun } from "./comparison.ts";
import type { Control } from "./messages.ts";

export interface ChaosCase {
  readonly from: number;
  readonly to: number;
  readonly workers: number;
  readonly seed: number;
  readonly control: Control;
  readonly steps: readonly Step[];
  /** `allDigests` of an undisturbed run of the same flights. */
  readonly expected: string;
  readonly minutes: number;
}

export interface ChaosResult {
  readonly seconds: number;
  readonly achieved: Achieved;
  readonly checks: readonly Check[];
  /** Why the plan was not carried out to its end, null when it was. */
  readonly failure: string | null;
}

/**
 * Servers of its own on free ports, a run with kills and freezes, the comparison. Nothing of it is
 * left behind.
 *
 * @param interrupt - ends it before, with a failure.
 */
export async function runChaosCase(
  given: ChaosCase,
  say: (line: string) => void,
  interrupt: AbortSignal,
): Promise<ChaosResult> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-chaos-"));
  const started = performance.now();
  const limit = new AbortController();
  const tooLong = new Error(`the run took more than ${given.minutes} minutes`);
  const watchdog = setTimeout(() => limit.abort(tooLong), given.minutes * 60_000);
  try {
    const free = await freePorts(localServerNames.length);
    const ports = Object.fromEntries(
      localServerNames.map((name, index) => [name, free[index] ?? 0]),
    ) as Record<LocalServerName, number>;
    const stack = await openLocalStack({ directory, ports });
    try {
      await stack.broker.createTopics(plan.topics);
      await stack.offline.of(plan.name).migrate(offlineTables(plan), offlineViews(plan));
      const signal = AbortSignal.any([limit.signal, interrupt]);
      const run = new ChaosRun({ ...given, stack, directory, ports, say, signal });
      const failure = await run.run().then(
        () => null,
        (error: Error) => error.message,
      );
      const checks = failure === null ? await compare(stack, given.expected, ports.redis) : [];
      const seconds = (performance.now() - started) / 1000;
      return { seconds, achieved: run.achieved, checks, failure };
    } finally {
      await stack.close();
    }
  } finally {
    clearTimeout(watchdog);
    await stopLocalServers(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

async function compare(stack: Stack, expected: string, redisPort: number): Promise<Check[]> {
  const redis = new Redis(redisPort, "127.0.0.1");
  try {
    return await compareRun(plan, stack, expected, await redis.dbsize());
  } finally {
    redis.disconnect();
  }
}
