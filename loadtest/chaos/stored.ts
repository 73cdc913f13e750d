import type { Stack } from "../../runtime/hosting/stack.ts";
import { offlineEncoders } from "../../runtime/offline/tables.ts";
import { pumpGroup, rowTopics } from "../../runtime/row-topics/row-topics.ts";
import type { Plan } from "../../schemas/plan.ts";

/** Whether the groups of all pumps have committed everything that stands in their topics. */
export async function everythingStored(
  plan: Plan,
  { broker, registry }: Pick<Stack, "broker" | "registry">,
): Promise<boolean> {
  const groups = new Map<string, Set<string>>();
  for (const { topic } of offlineEncoders(plan, registry)) {
    groups.set(topic, new Set([pumpGroup(plan.name, "offline", topic)]));
  }
  for (const { topic, pumpGroups } of rowTopics(plan, registry)) {
    groups.set(topic, new Set([...(groups.get(topic) ?? []), ...pumpGroups]));
  }
  for (const [topic, pumps] of groups) {
    const partitions = plan.topics.find(({ name }) => name === topic)?.partitions ?? 1;
    const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
    const ends = await broker.listOffsets(places.map((each) => ({ ...each, at: "latest" })));
    for (const group of pumps) {
      const committed = await broker.committed(group, places);
      if (ends.some((end, index) => end > (committed[index]?.offset ?? 0))) return false;
    }
  }
  return true;
}
