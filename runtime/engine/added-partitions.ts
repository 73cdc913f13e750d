import type { Broker } from "../../broker/broker.ts";
import type { Plan } from "../../schemas/plan.ts";
import { deadLetterTopic, lateTopic } from "../../topologies/dsl/compile/topics.ts";
import { partitionsRead, partitionsThere } from "./plan-on-sources.ts";
import { recordPartitions } from "./standing-plan.ts";

/** A source that has more partitions than were read. */
export interface TakenUp {
  readonly topic: string;
  readonly before: number;
  readonly now: number;
}

/**
 * Takes up partitions that were added to sources which an earlier start has read: from now on they
 * are read, from their beginning. Tasks that feed on such a source are told by their changelogs,
 * which know nothing of the new ones. Where it was cut off it goes on: a changelog has its
 * partitions last. Several processes may do it at once.
 *
 * @throws {MillraceError} SOURCE_MISSING, with near names.
 */
export async function takeUpAddedPartitions(
  broker: Broker,
  plan: Plan,
): Promise<readonly TakenUp[]> {
  const there = await partitionsThere(broker, plan);
  const histories = new Map(await partitionsRead(broker, plan));
  const grown: TakenUp[] = [];
  for (const [topic, now] of there) {
    const before = histories.get(topic)?.at(-1) ?? now;
    if (now > before) grown.push({ topic, before, now });
  }
  if (grown.length === 0) return [];
  for (const { topic, now } of grown) histories.set(topic, [...(histories.get(topic) ?? []), now]);
  await recordPartitions(broker, plan, histories);
  const most = Math.max(...grown.map(({ now }) => now));
  await broker.addPartitions(lateTopic(plan.name), most);
  await broker.addPartitions(deadLetterTopic(plan.name), most);
  for (const { topic, now } of grown) {
    const tasks = plan.subtopologies.find(({ inbox }) => inbox === topic);
    if (tasks !== undefined) await broker.addPartitions(tasks.changelog, now);
  }
  return grown;
}
