import type { SourceSpec } from "../../../schemas/plan.ts";
import type { Part } from "./link.ts";

/**
 * The tasks that read a source. For each accepted record they write what is asked of them, in this
 * order: look-ups, triggers, updates. Their progress is the stream time, so no output waits for an
 * input.
 */
export function sourcePart(source: SourceSpec, partitions: number): Part {
  return {
    name: source.topic,
    tasks: source.topic,
    operator: (routesOf) => ({
      kind: "source",
      spec: { source, routes: routesOf(source.topic) },
    }),
    partitions,
    reads: source.topic,
    promises: { triggers: [], timers: false, lookAheadMs: 0 },
    outputs: [],
    links: [],
  };
}
