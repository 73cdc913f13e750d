import type { Broker, FetchedPartition, FetchRequest } from "../../broker/broker.ts";
import type { MergeTask } from "./merge-task.ts";
import { SourceTask } from "./source-task.ts";
import { catchUpAll, type SourceWatermarks } from "./source-watermarks.ts";
import type { Wanted } from "./task.ts";

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
    return want === null ? [] : [asked(want)];
  });
  for (const { position } of watermarks.values()) partitions.push(asked(position));
  return { partitions, isolation: "read_committed", maxWaitMs, maxBytes: fetchMaxBytes };
}

function asked({ topic, partition, offset }: Wanted): FetchRequest["partitions"][number] {
  return { topic, partition, offset, maxBytes: partitionMaxBytes };
}

/**
 * Reads the watermarks of sources that got records: those that matter to these records are
 * committed by now, and none is stamped before.
 */
export async function readWatermarks(
  broker: Pick<Broker, "listOffsets">,
  fetched: readonly FetchedPartition[],
  watermarks: Watermarks,
): Promise<void> {
  const news = new Set(fetched.map(({ topic }) => topic));
  const isNews = ([source, { position }]: [string, SourceWatermarks]) =>
    news.has(source) || news.has(position.topic);
  const concerned = [...watermarks].filter(isNews).map(([, each]) => each);
  await catchUpAll(broker, concerned);
}
