import type { Plan } from "../../schemas/plan.ts";
import { offlineEncoders } from "../offline/tables.ts";
import type { RowEncoder } from "../pump/offline-sink.ts";
import type { SchemaRegistry } from "../schema-registry/registry.ts";

/** A row topic and who reads it. */
export interface RowTopic {
  readonly topic: string;
  readonly partitions: number;
  /** Groups of all its pumps, of every process. */
  readonly pumpGroups: readonly string[];
  /** Makes the rows of its table; null for a view without offline store. */
  readonly encoder: RowEncoder | null;
}

/** Group of the pumps that move a topic into a sink: the same in every process. */
export function pumpGroup(plan: string, sink: string, topic: string): string {
  return `${plan}.${sink}.${topic}`;
}

/** The row topics of a plan that have a pump. */
export function rowTopics(plan: Plan, registry: SchemaRegistry): RowTopic[] {
  const encoders = new Map(
    offlineEncoders(plan, registry).map(({ topic, encoder }) => [topic, encoder]),
  );
  return plan.stored.flatMap(({ topic, values, table, online }) => {
    if (values.kind !== "rows") return [];
    const stores = [...(online ? ["online"] : []), ...(table ? ["offline"] : [])];
    const partitions = plan.topics.find((each) => each.name === topic)?.partitions ?? 1;
    const pumpGroups = stores.map((sink) => pumpGroup(plan.name, sink, topic));
    const encoder = encoders.get(topic) ?? null;
    return pumpGroups.length === 0 ? [] : [{ topic, partitions, pumpGroups, encoder }];
  });
}
