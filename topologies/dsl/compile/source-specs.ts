import { layoutOf } from "../../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../../schemas/plan.ts";
import { layoutThrough } from "../../../schemas/transforms/through.ts";
import type { SourceDefinition, StreamDefinition } from "../definitions.ts";
import { checkCondition } from "./conditions.ts";
import { isId, layoutField } from "./layout-field.ts";
import { checkTopicName, compareText } from "./names.ts";
import type { Problems } from "./problems.ts";

/** Sources in the order of their topics; each topic has one clock and one contract. */
export function sourceSpecs(
  problems: Problems,
  streams: readonly StreamDefinition[],
): SourceSpec[] {
  const specs = new Map<string, SourceSpec>();
  for (const { origin } of new Set(streams)) {
    if ("definition" in origin) continue;
    const spec = sourceSpec(problems, origin);
    const other = specs.get(spec.topic);
    if (other === undefined) specs.set(spec.topic, spec);
    else {
      problems.check(
        JSON.stringify(other) === JSON.stringify(spec),
        `source "${spec.topic}"`,
        "is declared twice with different settings: declare it once and use the value again",
      );
    }
  }
  return [...specs.values()].sort((a, b) => compareText(a.topic, b.topic));
}

function sourceSpec(problems: Problems, definition: SourceDefinition): SourceSpec {
  const { topic, format, timeField, partitionField, repartitioned } = definition;
  const layout = layoutOf(format);
  const where = `source "${topic}"`;
  checkTopicName(problems, where, topic);
  const time = layoutField(layout, timeField);
  problems.check(
    time?.type === "timestamp" && !time.nullable,
    where,
    `timedBy("${timeField}") needs a timestamp that is never null`,
  );
  const verb = repartitioned ? "repartitionedBy" : "partitionedBy";
  problems.check(
    isId(layoutField(layout, partitionField)),
    where,
    `${verb}("${partitionField}") needs text or a whole number that is never null`,
  );
  const latenessMs = problems.duration(where, "lateness", definition.lateness);
  const { subjects } = definition;
  const named = subjects === "topic" ? {} : { subjects };
  return { topic, format, ...named, layout, timeField, latenessMs, partitionField, repartitioned };
}

/** Checks each thing that records go through against those that come to it. */
export function checkStreams(problems: Problems, streams: readonly StreamDefinition[]): void {
  for (const { topic, yielded, through } of new Set(streams)) {
    const where = `stream of "${topic}"`;
    layoutThrough(through, yielded, {
      condition: (condition, layout) =>
        checkCondition(problems, where, condition, { topic, layout }),
      problem: (text) => problems.add(where, text),
    });
  }
}
