import type { Broker, FetchedPartition, FetchRequest } from "../../broker/broker.ts";
import type { MergeTask } from "./merge-task.ts";
import { SourceTask } from "./source-task.ts";
import { catchUpAll, type SourceWatermarks } from "./source-watermarks.ts";

const fetchMaxBytes = 32 * 1024 * 1024;
const partitionMaxBytes = 2 * 1024 * 1024;

type Watermarks = ReadonlyMap<string, SourceWatermarks>;

/** What all tasks together want next, and news of source watermarks. */
export function fetchRequest(
  tasks: readonly (MergeTask | SourceTask)[],
  watermarks: Watermarks,
  maxWaitMs: number,
): FetchRequest {
  const partitions = tasks.flatMap((task) => {
    const want = task instanceof SourceTask && task.stalled ? null : task.wanted();
    return want === null ? [] : [{ ...want, maxBytes: partitionMaxBytes }];
  });
  for (const each of watermarks.values()) {
    partitions.push({ ...each.position, maxBytes: partitionMaxBytes });
  }
  return { partitions, isolation: "read_committed", maxWaitMs, maxBytes: fetchMaxBytes };
}

/**
 * Gives each task what was fetched for it, then reads the watermarks of sources that got records:
 * those that matter to these records are committed by now, and none is stamped before.
 */
export async function acceptFetched(
  broker: Pick<Broker, "listOffsets">,
  fetched: readonly FetchedPartition[],
  byPartition: ReadonlyMap<string, MergeTask | SourceTask>,
  watermarks: Watermarks,
): Promise<void> {
  const news = new Set<string>();
  for (const partition of fetched) {
    const task = byPartition.get(`${partition.topic}/${partition.partition}`);
    task?.accept(partition);
    if (task === undefined || task instanceof SourceTask) news.add(partition.topic);
  }
  const isNews = ([source, { position }]: [string, SourceWatermarks]) =>
    news.has(source) || news.has(position.topic);
  const concerned = [...watermarks].filter(isNews).map(([, each]) => each);
  await catchUpAll(broker, concerned);
}
