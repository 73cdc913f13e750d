import type { Broker } from "../../broker/broker.ts";
import type { Plan, TopicSpec } from "../../schemas/plan.ts";

/** What is written for topologies to read: their sources, and the own watermarks of each. */
export function inputTopics(plans: readonly Plan[]): readonly TopicSpec[] {
  return plans.flatMap(({ topics }) =>
    topics.filter(({ role }) => role === "source" || role === "watermarks"),
  );
}

/** Makes the source topics that are missing; those that stand are left as they are. */
export async function createSources(broker: Broker, plans: readonly Plan[]): Promise<void> {
  const inputs = inputTopics(plans);
  const standing = await broker.describeTopics(inputs.map(({ name }) => name));
  const missing = new Map(inputs.map((topic) => [topic.name, topic]));
  for (const { name } of standing) missing.delete(name);
  await broker.createTopics([...missing.values()]);
}
