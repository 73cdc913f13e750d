import type { BranchAccount } from "../engine/accounting.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { TaskReport } from "./running-plan.ts";

/** Names of what {@link measureTasks} measures. */
export const taskMetricNames: readonly string[] = [
  "millrace_progress_seconds",
  "millrace_source_records",
];

/** How far each task is, and what became of the records of the sources. */
export function measureTasks(
  metrics: Metrics,
  tasks: () => readonly TaskReport[],
  accounts: () => readonly BranchAccount[],
): void {
  metrics.gauge(
    "millrace_progress_seconds",
    "Event time that a task has reached, Unix seconds.",
    ["subtopology", "partition"],
    (set) => {
      for (const { subtopology, partition, progress } of tasks()) {
        set({ subtopology, partition: String(partition) }, progress / 1000);
      }
    },
  );
  metrics.gauge(
    "millrace_source_records",
    "Records read from a source partition, by branch and what became of them.",
    ["source", "partition", "branch", "became"],
    (set) => {
      for (const { source, partition, branch, ...counts } of accounts()) {
        for (const [became, count] of Object.entries(counts)) {
          set({ source, partition: String(partition), branch, became }, count as number);
        }
      }
    },
  );
}
