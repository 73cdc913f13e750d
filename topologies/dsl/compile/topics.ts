import type { OutputSpec, Subtopology, TopicSpec } from "../../../schemas/plan.ts";
import { modelsTopic, type Specs } from "./link.ts";
import { checkTopicName } from "./names.ts";
import type { Problems } from "./problems.ts";
import { compareText } from "./reach.ts";

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

/** Retention counts record timestamps: with any limit the broker would delete 2001 at once. */
const kept = {
  ...always,
  "cleanup.policy": "delete",
  "retention.ms": "-1",
  "retention.bytes": "-1",
} as const;

const configs: Readonly<Record<TopicSpec["role"], TopicSpec["config"]>> = {
  source: kept,
  watermarks: kept,
  inbox: kept,
  changelog: kept,
  rows: kept,
  output: kept,
  late: kept,
  "dead-letters": { ...kept, "max.message.bytes": String(deadLetterBytesMax) },
  models: { ...always, "cleanup.policy": "compact" },
};

/** Topic with the records that came too late, of all sources. */
export function lateTopic(topology: string): string {
  return `${topology}.late`;
}

/** Topic with the records that a step could not take, of all sources. */
export function deadLetterTopic(topology: string): string {
  return `${topology}.dead-letters`;
}

/** Topic that says how far a source is. */
export function watermarksTopic(source: string): string {
  return `${source}.watermarks`;
}

/** All topics that a plan reads and writes, by name. */
export function topicSpecs(
  problems: Problems,
  specs: Specs,
  subtopologies: readonly Subtopology[],
): TopicSpec[] {
  const topics = new Map<string, TopicSpec>();
  const add = (name: string, partitions: number, role: TopicSpec["role"]): void => {
    checkTopicName(problems, "topic", name);
    const other = topics.get(name);
    // Watches share the topics that are named after the topology.
    const shared = other?.role === role && sharedTopics(specs).has(name);
    problems.check(other === undefined || shared, `topic "${name}"`, "has two uses: rename one");
    topics.set(name, { name, partitions, role, config: configs[role] });
  };
  for (const { topic } of specs.sources) {
    add(topic, specs.partitions, "source");
    add(watermarksTopic(topic), 1, "watermarks");
  }
  for (const { kind, inbox, changelog, partitions, outputs } of subtopologies) {
    if (kind !== "source") add(inbox, partitions, "inbox");
    add(changelog, partitions, "changelog");
    for (const output of outputs) {
      if (output.kind !== "inbox") add(output.topic, partitions, roleOf(output));
    }
  }
  add(lateTopic(specs.name), specs.partitions, "late");
  add(deadLetterTopic(specs.name), specs.partitions, "dead-letters");
  checkCollisions(problems, [...topics.keys()]);
  return [...topics.values()].sort((a, b) => compareText(a.name, b.name));
}

function roleOf(output: Exclude<OutputSpec, { kind: "inbox" }>): TopicSpec["role"] {
  if (output.kind === "rows") return "rows";
  return output.topic === modelsTopic ? "models" : "output";
}

function sharedTopics(specs: Specs): ReadonlySet<string> {
  return new Set([
    modelsTopic,
    ...specs.watches.flatMap(({ driftTopic, requestTopic }) => [driftTopic, requestTopic]),
  ]);
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
