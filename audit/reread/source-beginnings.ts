import type { Broker, PartitionOffset } from "../../broker/broker.ts";
import type { Plan } from "../../schemas/plan.ts";

/**
 * Partitions of sources that begin behind their first offset, and where: retention, or whoever
 * deletes records, took what stood before. A run that has read it cannot be computed again.
 */
export async function lateBeginnings(
  broker: Pick<Broker, "listOffsets">,
  plan: Pick<Plan, "topics">,
): Promise<PartitionOffset[]> {
  const sources = plan.topics.filter(({ role }) => role === "source");
  const places = sources.flatMap(({ name: topic, partitions }) =>
    Array.from({ length: partitions }, (_, partition) => ({ topic, partition })),
  );
  const starts = await broker.listOffsets(places.map((each) => ({ ...each, at: "earliest" })));
  return places
    .map((place, index) => ({ ...place, offset: starts[index] ?? 0 }))
    .filter(({ offset }) => offset > 0);
}
