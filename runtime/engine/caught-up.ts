import type { Broker, TopicPartition } from "../../broker/broker.ts";
import type { MergeTask } from "./merge-task.ts";
import { SourceTask } from "./source-task.ts";

/** The partitions that tasks read, in their order. */
export function placesOf(tasks: readonly (MergeTask | SourceTask)[]): TopicPartition[] {
  return tasks.map(({ subtopology, partition }) => ({ topic: subtopology.inbox, partition }));
}

/** Whether tasks have read and processed all that stands in their partitions, as of now. */
export async function caughtUp(
  broker: Pick<Broker, "listOffsets">,
  tasks: readonly (MergeTask | SourceTask)[],
): Promise<boolean> {
  if (tasks.some((task) => task.busy || task.dirty)) return false;
  const places = placesOf(tasks).map((place) => ({ ...place, at: "latest" as const }));
  const ends = await broker.listOffsets(places);
  return tasks.every((task, index) => {
    if (task instanceof SourceTask && task.waitsForClock) return true;
    const want = task.wanted();
    return want !== null && want.offset >= (ends[index] as number);
  });
}
