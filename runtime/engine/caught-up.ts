import type { Broker } from "../../broker/broker.ts";
import type { MergeTask } from "./merge-task.ts";
import { SourceTask } from "./source-task.ts";

/** Whether tasks have read and processed all that stands in their partitions, as of now. */
export async function caughtUp(
  broker: Pick<Broker, "listOffsets">,
  tasks: readonly (MergeTask | SourceTask)[],
): Promise<boolean> {
  if (tasks.some((task) => task.busy || task.dirty)) return false;
  const places = tasks.map(({ subtopology: { inbox: topic }, partition }) => ({
    topic,
    partition,
  }));
  const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" as const })));
  return tasks.every((task, index) => {
    if (task instanceof SourceTask && task.waitsForClock) return true;
    const want = task.wanted();
    return want !== null && want.offset >= (ends[index] as number);
  });
}
