import type { Subtopology, TopicSpec } from "../../../schemas/plan.ts";
import { predictionsOf } from "../../../schemas/plan-facts.ts";
import { watermarksTopic } from "../../../schemas/topic-names.ts";
import { type Part, worldOutputs } from "./link.ts";
import { checkTopicName, compareText } from "./names.ts";
import type { Problems } from "./problems.ts";
import type { Specs } from "./step-module.ts";

/**
 * `max.message.bytes` of every topic: twice the limit of a record that a source may bring, so that
 * such a record fits with whatever is wrapped around it.
 */
const messageBytesMax = 1024 * 1024;
/** The same of dead-letter topics, which hold what was too large elsewhere. */
const deadLetterBytesMax = 4 * messageBytesMax;

const always = {
  // Replayed history is older, and a look-ahead later, than the broker's clock.
  "message.timestamp.after.max.ms": "9223372036854775807",
  "max.message.bytes": String(messageBytesMax),
} as const;

/** Retention counts record timestamps: with any limit the broker would delete a replayed past. */
const kept = {
  ...always,
  "cleanup.policy": "delete",
  "retention.ms": "-1",
  "retention.bytes": "-1",
} as const;

/** Others write to it, packed as they like: the broker unpacks what not every Node can. */
const source = { ...kept, "compression.type": "uncompressed" } as const;

const configs: Readonly<Record<TopicSpec["role"], TopicSpec["config"]>> = {
  source,
  watermarks: kept,
  inbox: kept,
  changelog: kept,
  rows: kept,
  output: kept,
  late: kept,
  "dead-letters": { ...kept, "max.message.bytes": String(deadLetterBytesMax) },
  models: { ...always, "cleanup.policy": "compact" },
  // Every change of what a model's name stands for, for good.
  "model-register": kept,
  // Experiments, runs and registered models, as clients have logged them.
  tracking: kept,
  // The key of a decision says which of them the last one stands for.
  decisions: { ...always, "cleanup.policy": "compact" },
  plan: { ...always, "cleanup.policy": "compact" },
};

/** Topic with the records that came too late, of all sources. */
export function lateTopic(topology: string): string {
  return `${topology}.late`;
}

/** Topic with the records that a step could not take, of all sources. */
export function deadLetterTopic(topology: string): string {
  return `${topology}.dead-letters`;
}

/** Topic with what the tasks of a topology decided by the clock, in live mode. */
export function decisionsTopic(topology: string): string {
  return `${topology}.decisions`;
}

/** Topic with the model versions that somebody has registered, promoted or rolled back. */
export function modelRegisterTopic(topology: string): string {
  return `${topology}.model-register`;
}

/** Topic with the experiments, runs and registered models that clients of MLflow log. */
export function trackingTopic(topology: string): string {
  return `${topology}.tracking`;
}

/** Topic with the parts of a topology's plan, as it runs. */
export function planTopic(topology: string): string {
  return `${topology}.plan`;
}

/** All topics that a plan reads and writes, by name. */
export function topicSpecs(
  problems: Problems,
  specs: Specs,
  subtopologies: readonly Subtopology[],
  parts: readonly Part[],
): TopicSpec[] {
  const topics = new Map<string, TopicSpec>();
  const add = (name: string, partitions: number, role: TopicSpec["role"]): void => {
    checkTopicName(problems, "topic", name);
    problems.check(!topics.has(name), `topic "${name}"`, "has two uses: rename one");
    topics.set(name, { name, partitions, role, config: configs[role] });
  };
  for (const { topic } of specs.sources) {
    add(topic, specs.partitions, "source");
    add(watermarksTopic(specs.name, topic), 1, "watermarks");
  }
  for (const { inbox, changelog, partitions } of subtopologies) {
    if (topics.get(inbox)?.role !== "source") add(inbox, partitions, "inbox");
    add(changelog, partitions, "changelog");
  }
  const outputs = parts.flatMap(worldOutputs);
  for (const { spec, shared } of outputs) {
    if (shared !== undefined) continue;
    add(spec.topic, specs.partitions, spec.kind === "rows" ? "rows" : "output");
  }
  // What steps tell together has one partition.
  const together = outputs.flatMap(({ spec, shared }) =>
    shared === undefined ? [] : [[spec.topic, shared] as const],
  );
  for (const [name, role] of new Map(together)) add(name, 1, role);
  add(lateTopic(specs.name), specs.partitions, "late");
  add(deadLetterTopic(specs.name), specs.partitions, "dead-letters");
  add(decisionsTopic(specs.name), 1, "decisions");
  add(planTopic(specs.name), 1, "plan");
  if (predictionsOf(specs).length > 0) {
    add(modelRegisterTopic(specs.name), 1, "model-register");
    add(trackingTopic(specs.name), 1, "tracking");
  }
  checkCollisions(problems, [...topics.keys()]);
  return [...topics.values()].sort((a, b) => compareText(a.name, b.name));
}

/** Kafka refuses a topic whose name differs from another's only in `.` and `_`. */
function checkCollisions(problems: Problems, names: readonly string[]): void {
  const byMetric = new Map<string, string>();
  for (const name of names) {
    const metric = name.replaceAll(".", "_");
    const other = byMetric.get(metric);
    if (other === undefined) byMetric.set(metric, name);
    else problems.add(`topic "${name}"`, `Kafka takes it for "${other}": rename one`);
  }
}
