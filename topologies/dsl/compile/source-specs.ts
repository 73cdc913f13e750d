import type { SourceSpec } from "../../../schemas/plan.ts";
import type { SourceDefinition } from "../definitions.ts";
import { isId, layoutField } from "./layout-field.ts";
import { checkTopicName, compareText } from "./names.ts";
import type { Problems } from "./problems.ts";

/** Sources in the order of their topics; each topic has one clock and one contract. */
export function sourceSpecs(
  problems: Problems,
  definitions: readonly SourceDefinition[],
): SourceSpec[] {
  const specs = new Map<string, SourceSpec>();
  for (const definition of new Set(definitions)) {
    const spec = sourceSpec(problems, definition);
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
  const { topic, format, layout, timeField, partitionField, repartitioned } = definition;
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
