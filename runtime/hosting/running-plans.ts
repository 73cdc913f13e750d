import { AggregatorRegistry } from "prom-client";
import type { BranchAccount } from "../engine/accounting.ts";
import type { Scraped } from "../metrics/server.ts";
import { closeAll } from "./close-all.ts";
import type { RunningPlan, RunStatus } from "./running-plan.ts";

/** The topologies of an application, running side by side on one stack. */
export class RunningPlans {
  readonly parts: readonly RunningPlan[];
  readonly metrics: Scraped;

  constructor(parts: readonly RunningPlan[]) {
    this.parts = parts;
    this.metrics = scrapedTogether(parts);
  }

  get status(): RunStatus {
    const all = this.parts.map(({ status }) => status);
    return {
      taskProgress: Math.min(...all.map(({ taskProgress }) => taskProgress)),
      commits: all.reduce((sum, { commits }) => sum + commits, 0),
      committedRecords: all.reduce((sum, { committedRecords }) => sum + committedRecords, 0),
    };
  }

  get waitingFor(): readonly string[] {
    return [...new Set(this.parts.flatMap((part) => part.waitingFor))].sort();
  }

  /** Of several topologies each worker has the topology's name before its own. */
  get pids(): ReadonlyMap<string, number> {
    const [only] = this.parts;
    if (this.parts.length === 1 && only !== undefined) return only.pids;
    return new Map(
      this.parts.flatMap(({ plan, pids }) =>
        [...pids].map(([worker, pid]) => [`${plan.name}/${worker}`, pid] as const),
      ),
    );
  }

  get elsewhere(): number {
    return this.parts.reduce((sum, { elsewhere }) => sum + elsewhere, 0);
  }

  accounts(): BranchAccount[] {
    return this.parts.flatMap((part) => part.accounts());
  }

  /** Until all have ended; one that fails stops the others. */
  async run(signal: AbortSignal, to: number | null): Promise<void> {
    const failure = new AbortController();
    const either = AbortSignal.any([signal, failure.signal]);
    const ends = await Promise.allSettled(
      this.parts.map((part) =>
        part.run(either, to).catch((error: unknown) => {
          failure.abort();
          throw error;
        }),
      ),
    );
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  close(): Promise<void> {
    return closeAll(this.parts.map((part) => () => part.close()));
  }
}

/** Of several topologies each value that tells of one is labelled with its name. */
function scrapedTogether(parts: readonly RunningPlan[]): Scraped {
  const [first] = parts;
  if (first === undefined) throw new RangeError("an application has a topology");
  if (parts.length === 1) return first.metrics;
  const metrics = async () => {
    const all = await Promise.all(
      parts.map(async ({ plan, metrics }) =>
        (await metrics.registry.getMetricsAsJSON()).map((metric) => ({
          ...metric,
          aggregator: "first",
          values: metric.values.map((each) => ({
            ...each,
            labels: metric.name.startsWith("millrace_")
              ? { ...each.labels, topology: plan.name }
              : each.labels,
          })),
        })),
      ),
    );
    return await AggregatorRegistry.aggregate(all).metrics();
  };
  return {
    registry: {
      contentType: first.metrics.registry.contentType,
      metrics,
      getMetricsAsJSON: async () =>
        (await Promise.all(parts.map((part) => part.metrics.registry.getMetricsAsJSON()))).flat(),
    },
  };
}
