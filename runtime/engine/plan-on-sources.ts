import type { Broker } from "../../broker/broker.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { nearest } from "../../schemas/nearest.ts";
import type { Plan, Subtopology, TopicSpec } from "../../schemas/plan.ts";

/**
 * A plan as its source topics have it: they belong to others, and are read with the partitions that
 * they have. Nothing is made.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names; SOURCE_PARTITIONS when an earlier start
 * read another number of partitions.
 */
export async function planOnSources(broker: Broker, plan: Plan): Promise<Plan> {
  const actual = withSourcePartitions(plan, await partitionsThere(broker, plan));
  const before = await partitionsRead(broker, actual);
  for (const { topic } of actual.sources) {
    const there = actual.topics.find(({ name }) => name === topic)?.partitions ?? plan.partitions;
    const read = before.get(topic) ?? there;
    if (read !== there)
      throw new MillraceError("SOURCE_PARTITIONS", { topic, actual: there, read });
  }
  return actual;
}

/**
 * A plan as an earlier start has read its sources: partitions that were added since are none of it.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names.
 */
export async function planAsRead(broker: Broker, plan: Plan): Promise<Plan> {
  const there = await partitionsThere(broker, plan);
  return withSourcePartitions(plan, new Map([...there, ...(await partitionsRead(broker, plan))]));
}

/** By source, how many partitions its topic has. */
async function partitionsThere(broker: Broker, plan: Plan): Promise<ReadonlyMap<string, number>> {
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
export function withSourcePartitions(plan: Plan, partitions: ReadonlyMap<string, number>): Plan {
  const of = (source: string) => partitions.get(source) ?? plan.partitions;
  const changelogs = new Map(
    plan.subtopologies.flatMap(({ operator, inbox, changelog }) =>
      operator.kind === "source" ? [[changelog, of(inbox)]] : [],
    ),
  );
  const most = Math.max(plan.partitions, ...plan.sources.map(({ topic }) => of(topic)));
  return {
    ...plan,
    subtopologies: plan.subtopologies.map((each) => onSources(each, partitions)),
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
 * Where a source has other partitions than the tasks that it feeds, a record's number says nothing
 * of the task that takes it: its key does.
 */
function onSources(subtopology: Subtopology, partitions: ReadonlyMap<string, number>): Subtopology {
  const own =
    subtopology.operator.kind === "source" ? partitions.get(subtopology.inbox) : undefined;
  const inputs = subtopology.inputs.map((input) => {
    const from = partitions.get(input.from) ?? subtopology.partitions;
    const apart = input.channels === "same" && from !== subtopology.partitions;
    return apart ? { ...input, channels: "all" as const } : input;
  });
  if (own === undefined) return { ...subtopology, inputs };
  const outputs = subtopology.outputs.map((output) => {
    const apart = output.kind === "inbox" && output.fanOut === "same" && output.partitions !== own;
    return apart ? { ...output, fanOut: "key" as const } : output;
  });
  return { ...subtopology, partitions: own, inputs, outputs };
}

/** By source that was read before: a changelog says of how many partitions. */
async function partitionsRead(broker: Broker, plan: Plan): Promise<ReadonlyMap<string, number>> {
  const sources = plan.subtopologies.filter(({ operator }) => operator.kind === "source");
  const found = await broker.describeTopics(sources.map(({ changelog }) => changelog));
  const read = new Map(found.map((each) => [each.name, each.partitions]));
  return new Map(
    sources.flatMap(({ inbox, changelog }) => {
      const partitions = read.get(changelog);
      return partitions === undefined ? [] : [[inbox, partitions] as const];
    }),
  );
}
