import type { BranchAccount } from "../engine/accounting.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { TaskReport } from "./running-plan.ts";

/** Names of what {@link measureTasks} measures. */
export const taskMetricNames: readonly string[] = [
  "millrace_progress_seconds",
  "millrace_source_records",
  "millrace_state_bytes",
  "millrace_state_keys",
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
  const summed =
    (of: "keys" | "bytes") => (set: (labels: { subtopology: string }, sum: number) => void) => {
      const sums = new Map<string, number>();
      for (const { subtopology, state } of tasks()) {
        const size = state?.[of] ?? null;
        if (size !== null) sums.set(subtopology, (sums.get(subtopology) ?? 0) + size);
      }
      for (const [subtopology, sum] of sums) set({ subtopology }, sum);
    };
  metrics.gauge(
    "millrace_state_keys",
    "Keys that the tasks of a view keep windows of.",
    ["subtopology"],
    summed("keys"),
  );
  metrics.gauge(
    "millrace_state_bytes",
    "State of all tasks of a subtopology as it stands in their changelogs.",
    ["subtopology"],
    summed("bytes"),
  );
}
