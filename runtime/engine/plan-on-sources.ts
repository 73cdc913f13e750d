import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import { type Plan, readsSource, type Subtopology, type TopicSpec } from "../../schemas/plan.ts";
import { recordedPartitions } from "./standing-plan.ts";

/**
 * A plan as its source topics have it: they belong to others, and are read with the partitions that
 * they have. Nothing is made.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names; SOURCE_PARTITIONS when a source has
 * another number of partitions than an earlier start read, which did not take up more.
 */
export async function planOnSources(broker: Broker, plan: Plan): Promise<Plan> {
  const there = await partitionsThere(broker, plan);
  const histories = await partitionsRead(broker, plan);
  for (const [topic, actual] of there) {
    const read = histories.get(topic)?.at(-1) ?? actual;
    if (read !== actual) throw new MillraceError("SOURCE_PARTITIONS", { topic, actual, read });
  }
  return withSourcePartitions(plan, new Map([...alone(plan, there), ...histories]));
}

/**
 * A plan as an earlier start has read its sources: partitions that were added since are none of it.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names.
 */
export async function planAsRead(broker: Broker, plan: Plan): Promise<Plan> {
  const there = await partitionsThere(broker, plan);
  const histories = await partitionsRead(broker, plan);
  return withSourcePartitions(plan, new Map([...alone(plan, there), ...histories]));
}

/** Of each source the numbers of partitions that it has had while it was read, ascending. */
export type PartitionHistories = ReadonlyMap<string, readonly number[]>;

/** Of sources that were never read here: as they are; a plan that is read again knows more. */
function alone(
  { subtopologies }: Plan,
  there: ReadonlyMap<string, number>,
): [string, readonly number[]][] {
  return [...there].map(([topic, count]) => {
    const { partitions, earlierPartitions = [] } =
      subtopologies.find(({ inbox }) => inbox === topic) ?? {};
    return [topic, partitions === count ? [...earlierPartitions, count] : [count]];
  });
}

/**
 * By source, how many partitions its topic has.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names.
 */
export async function partitionsThere(
  broker: Broker,
  plan: Plan,
): Promise<ReadonlyMap<string, number>> {
  const sources = plan.sources.map(({ topic }) => topic);
  const found = await broker.describeTopics(sources);
  const partitions = new Map(found.map((each) => [each.name, each.partitions]));
  const missing = sources.filter((topic) => !partitions.has(topic));
  if (missing.length > 0) {
    const known = (await broker.describeTopics()).map(({ name }) => name);
    const topics = missing.map((topic) => `${topic}${nearest(topic, known)}`).join(", ");
    throw new MillraceError("SOURCE_MISSING", { topics });
  }
  return partitions;
}

/** The topics of a plan that are its own to make. */
export function ownTopics({ topics }: Plan): readonly TopicSpec[] {
  return topics.filter(({ role }) => role !== "source");
}

/** A plan whose sources have as many partitions as their topics, not as many as the plan. */
export function withSourcePartitions(plan: Plan, histories: PartitionHistories): Plan {
  const partitions = new Map(
    [...histories].map(([topic, counts]) => [topic, counts.at(-1) ?? plan.partitions] as const),
  );
  const of = (source: string) => partitions.get(source) ?? plan.partitions;
  const changelogs = new Map(
    plan.subtopologies.flatMap(({ operator, inbox, changelog }) =>
      readsSource(operator) ? [[changelog, of(inbox)]] : [],
    ),
  );
  const most = Math.max(plan.partitions, ...plan.sources.map(({ topic }) => of(topic)));
  return {
    ...plan,
    subtopologies: plan.subtopologies.map((each) => onSources(each, histories)),
    accounts: plan.accounts.map((account) => {
      return { ...account, partitions: partitions.get(account.source) ?? account.partitions };
    }),
    topics: plan.topics.map((topic) => {
      const { role, name } = topic;
      if (role === "source") return { ...topic, partitions: of(name) };
      // Rejected records stand in the partition whose number that of their source is.
      if (role === "late" || role === "dead-letters") return { ...topic, partitions: most };
      return { ...topic, partitions: changelogs.get(name) ?? topic.partitions };
    }),
  };
}

/**
 * Where a source has other partitions than the tasks that it feeds, or has had, a record's number
 * says nothing of the task that takes it: its key does.
 */
function onSources(subtopology: Subtopology, histories: PartitionHistories): Subtopology {
  const isApart = (history: readonly number[] | undefined, partitions: number) =>
    history?.some((count) => count !== partitions) === true;
  const inputs = subtopology.inputs.map((input) => {
    const apart = isApart(histories.get(input.from), subtopology.partitions);
    return apart && input.channels === "same" ? { ...input, channels: "all" as const } : input;
  });
  const isSource = readsSource(subtopology.operator);
  const history = isSource ? histories.get(subtopology.inbox) : undefined;
  if (history === undefined) return { ...subtopology, inputs };
  const outputs = subtopology.outputs.map((output) => {
    const apart = output.kind === "inbox" && isApart(history, output.partitions);
    return apart && output.fanOut === "same" ? { ...output, fanOut: "key" as const } : output;
  });
  const earlierPartitions = history.slice(0, -1);
  const { earlierPartitions: _, ...rest } = subtopology;
  return {
    ...rest,
    ...(earlierPartitions.length > 0 && { earlierPartitions }),
    partitions: history.at(-1) ?? subtopology.partitions,
    inputs,
    outputs,
  };
}

/** By source that was read before: a changelog says of how many partitions now. */
export async function partitionsRead(broker: Broker, plan: Plan): Promise<PartitionHistories> {
  const recorded = await recordedPartitions(broker, plan);
  const sources = plan.subtopologies.filter(({ operator }) => readsSource(operator));
  const found = await broker.describeTopics(sources.map(({ changelog }) => changelog));
  const read = new Map(found.map((each) => [each.name, each.partitions]));
  return new Map(
    sources.flatMap(({ inbox, changelog }) => {
      const partitions = read.get(changelog);
      if (partitions === undefined) return [];
      const earlier = recorded.get(inbox)?.filter((count) => count < partitions) ?? [];
      return [[inbox, [...earlier, partitions]] as const];
    }),
  );
}
