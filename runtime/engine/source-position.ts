import type {
  Broker,
  OffsetToCommit,
  TopicDescription,
  TopicPartition,
} from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { type Plan, readsSource } from "../../schemas/plan.ts";
import { passGap } from "../row-topics/accepted-gaps.ts";
import type { SourceTask } from "./source-task.ts";

/**
 * Puts a restored source task where its topic stands. A position is an offset in the topic of one
 * id: in a topic made again the same offset means another record.
 *
 * @param known - whether it was restored; else it begins at the first record that stands.
 * @param acceptGaps - whether to go on where records are gone; they are counted.
 * @throws {MillraceError} TOPIC_UNKNOWN, SOURCE_PARTITIONS; SOURCE_GAP, SOURCE_RECREATED unless
 * accepted.
 */
export async function placeSource(
  broker: Broker,
  plan: Plan,
  task: SourceTask,
  known: boolean,
  acceptGaps: boolean,
): Promise<void> {
  const { partition, position } = task;
  const topic = task.subtopology.inbox;
  const topicId = await sourceId(broker, plan, topic);
  const [earliest = 0] = await broker.listOffsets([{ topic, partition, at: "earliest" }]);
  const isSame = task.topicId === "" || task.topicId === topicId;
  if (!known) return task.startAt(earliest, topicId);
  if (isSame && position >= earliest) return task.startAt(position, topicId);
  const from = isSame ? position : 0;
  const gap = { topic, topicId, partition, from, next: earliest };
  if (!(await passGap(broker, plan.name, gap, acceptGaps))) {
    if (!isSame) throw new MillraceError("SOURCE_RECREATED", { topic, partition, position });
    throw new MillraceError("SOURCE_GAP", { topic, partition, first: from, last: earliest - 1 });
  }
  task.startAt(earliest, topicId);
}

/**
 * The id of a source topic, which has as many partitions as the plan reads.
 *
 * @throws {MillraceError} TOPIC_UNKNOWN, SOURCE_PARTITIONS.
 */
export async function sourceId(
  broker: Pick<Broker, "describeTopics">,
  plan: Plan,
  topic: string,
): Promise<string> {
  const [found] = await broker.describeTopics([topic]);
  if (found === undefined) throw new MillraceError("TOPIC_UNKNOWN", { topic, partition: 0 });
  checkPartitions(found, plan);
  return found.id;
}

function checkPartitions({ name: topic, partitions: actual }: TopicDescription, plan: Plan): void {
  const read = plan.topics.find(({ name }) => name === topic)?.partitions ?? plan.partitions;
  if (actual !== read) throw new MillraceError("SOURCE_PARTITIONS", { topic, actual, read });
}

/** Where a plan goes on in its sources, as it is committed; never before what still stands. */
export async function reachedIn(broker: Broker, plan: Plan): Promise<OffsetToCommit[]> {
  const places = plan.subtopologies
    .filter(({ operator }) => readsSource(operator))
    .flatMap(({ inbox: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
    );
  if (places.length === 0) return [];
  const committed = await broker.committed(plan.name, places);
  const starts = await broker.listOffsets(
    places.map((each) => ({ ...each, at: "earliest" as const })),
  );
  const offsetOf = ({ topic, partition }: TopicPartition) =>
    committed.find((each) => each.topic === topic && each.partition === partition)?.offset ?? 0;
  return places.map((place, index) => ({
    ...place,
    offset: Math.max(offsetOf(place), starts[index] ?? 0),
  }));
}
