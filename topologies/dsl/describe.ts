import type { Plan, TopicSpec } from "../../schemas/plan.ts";
import { sourceText } from "./describe/source.ts";
import { subtopologyText } from "./describe/subtopologies.ts";
import { block } from "./describe/text.ts";
import { stepModule } from "./step-modules.ts";

/**
 * A plan as text: everything that decides what it computes, where it keeps it and what it names it.
 * Plans with equal texts are the same topology; the fingerprint is the sha256 of this text.
 */
export function describe(plan: Omit<Plan, "fingerprint">): string {
  const blocks = [
    block(`topology ${plan.name}`, [
      `partitions ${plan.partitions}`,
      `guarantee ${plan.guarantee}`,
    ]),
    ...plan.sources.map(sourceText),
    ...plan.steps.map(({ kind, spec }) => stepModule(kind).text(spec)),
    ...plan.subtopologies.map(subtopologyText),
    ...topicTexts(plan.topics),
  ];
  return `${blocks.join("\n\n")}\n`;
}

/** Topics together with those that have the same settings. */
function topicTexts(topics: readonly TopicSpec[]): string[] {
  const groups = new Map<string, TopicSpec[]>();
  for (const topic of topics) {
    const settings = settingLines(topic.config).join("\n");
    const group = groups.get(settings) ?? [];
    group.push(topic);
    groups.set(settings, group);
  }
  return [...groups.values()].map((group) =>
    block("topics", [
      ...settingLines(group[0]?.config ?? {}),
      ...group.map(({ name, partitions, role }) => `${name} (${role}, ${partitions})`),
    ]),
  );
}

function settingLines(config: TopicSpec["config"]): string[] {
  return Object.keys(config)
    .sort()
    .map((key) => `with ${key}=${config[key]}`);
}
