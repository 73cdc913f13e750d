import type { OfflineColumn } from "../../sinks/store.ts";

/** Times are UTC with milliseconds. */
export const utc = "DateTime64(3, 'UTC')";

/**
 * Tells a topic from another of its name that was deleted. The sink appends it, last of all
 * columns: encoders do not know it.
 */
export const topicIdColumn: OfflineColumn = { name: "topic_id", type: "LowCardinality(String)" };

/** Where a row came from: the last columns of every table. */
export const plumbingColumns: readonly OfflineColumn[] = [
  { name: "topic", type: "LowCardinality(String)" },
  { name: "partition", type: "UInt16" },
  { name: "offset", type: "Int64", codec: "Delta, LZ4" },
  topicIdColumn,
];
