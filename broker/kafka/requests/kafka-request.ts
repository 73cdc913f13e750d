import type { WireReader } from "../wire-reader.ts";
import type { WireWriter } from "../wire-writer.ts";

/** One kind of request at the one version that we speak. */
export interface Api {
  readonly key: number;
  readonly version: number;
  readonly name: string;
  /** Header 2 and compact forms (KIP-482). */
  readonly flexible: boolean;
}

/** A request: how to write its body and how to read the answer's. */
export interface KafkaRequest<T> {
  readonly api: Api;
  /** First size of the buffer that it is written to. @default 512 */
  readonly sizeHint?: number;
  /** How long the broker may take, beyond the usual. @default 0 */
  readonly waitMs?: number;
  write(writer: WireWriter): void;
  read(reader: WireReader): T;
}

function api(key: number, version: number, name: string, flexible = false): Api {
  return { key, version, name, flexible };
}

/** Every kind that the adapter uses; each broker is asked whether it offers them all. */
export const apis = {
  produce: api(0, 7, "Produce"),
  fetch: api(1, 11, "Fetch"),
  listOffsets: api(2, 3, "ListOffsets"),
  metadata: api(3, 10, "Metadata", true),
  offsetCommit: api(8, 5, "OffsetCommit"),
  offsetFetch: api(9, 7, "OffsetFetch", true),
  findCoordinator: api(10, 2, "FindCoordinator"),
  joinGroup: api(11, 5, "JoinGroup"),
  heartbeat: api(12, 3, "Heartbeat"),
  leaveGroup: api(13, 3, "LeaveGroup"),
  syncGroup: api(14, 3, "SyncGroup"),
  apiVersions: api(18, 2, "ApiVersions"),
  createTopics: api(19, 4, "CreateTopics"),
  deleteTopics: api(20, 3, "DeleteTopics"),
  deleteRecords: api(21, 1, "DeleteRecords"),
  initProducerId: api(22, 1, "InitProducerId"),
  addPartitionsToTxn: api(24, 1, "AddPartitionsToTxn"),
  addOffsetsToTxn: api(25, 1, "AddOffsetsToTxn"),
  createPartitions: api(37, 1, "CreatePartitions"),
  endTxn: api(26, 1, "EndTxn"),
  txnOffsetCommit: api(28, 3, "TxnOffsetCommit", true),
  describeConfigs: api(32, 2, "DescribeConfigs"),
  describeProducers: api(61, 0, "DescribeProducers", true),
  describeTransactions: api(65, 0, "DescribeTransactions", true),
  listTransactions: api(66, 0, "ListTransactions", true),
} as const;

/** Partitions of one topic, as Kafka nests them. */
export interface TopicGroup<T> {
  readonly topic: string;
  readonly partitions: readonly T[];
}

/** Groups by topic, in order of first appearance. */
export function byTopic<T extends { readonly topic: string }>(
  items: readonly T[],
): TopicGroup<T>[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.topic);
    if (group === undefined) {
      groups.set(item.topic, [item]);
    } else {
      group.push(item);
    }
  }
  return [...groups].map(([topic, partitions]) => ({ topic, partitions }));
}

/** An answer for one partition. */
export interface PartitionResult {
  readonly topic: string;
  readonly partition: number;
  readonly error: number;
}

/** Reads `[topic, [partition …]]` into one flat list. */
export function readByTopic<T>(
  reader: WireReader,
  read: (topic: string, partition: number) => T,
): T[] {
  return reader
    .array(() => {
      const topic = reader.string();
      return reader.array(() => read(topic, reader.int32()));
    })
    .flat();
}
