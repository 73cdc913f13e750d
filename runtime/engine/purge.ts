import type { PartitionOffset } from "../../broker/broker.ts";
import { MergeTask } from "./merge-task.ts";
import type { SourceTask } from "./source-task.ts";

/** What every reader has passed: inbox records, and changelogs below a snapshot. */
export function purgeable(tasks: readonly (MergeTask | SourceTask)[]): PartitionOffset[] {
  return tasks.flatMap((task) => {
    const { inbox, changelog } = task.subtopology;
    const { partition } = task;
    const below = task.purgeableChangelog();
    const list = below === null ? [] : [{ topic: changelog, partition, offset: below }];
    if (task instanceof MergeTask && task.committedOffset > 0) {
      list.push({ topic: inbox, partition, offset: task.committedOffset });
    }
    return list;
  });
}
