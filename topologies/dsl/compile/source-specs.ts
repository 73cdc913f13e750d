import type { SourceSpec } from "../../../schemas/plan.ts";
import type { SourceDefinition } from "../definitions.ts";
import { avroField, isWhole } from "./avro-field.ts";
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
  const { topic, schema, timeField, partitionField, repartitioned } = definition;
  const where = `source "${topic}"`;
  checkTopicName(problems, where, topic);
  const time = avroField(schema, timeField);
  problems.check(
    time?.type === "long" && time.logicalType === "timestamp-millis" && !time.nullable,
    where,
    `timedBy("${timeField}") needs a field of Avro type long with logicalType timestamp-millis`,
  );
  const verb = repartitioned ? "repartitionedBy" : "partitionedBy";
  const partition = avroField(schema, partitionField);
  problems.check(
    partition !== null &&
      !partition.nullable &&
      (isWhole(partition) || partition.type === "string"),
    where,
    `${verb}("${partitionField}") needs a field of Avro type long, int or string, not null`,
  );
  const latenessMs = problems.duration(where, "lateness", definition.lateness);
  return { topic, schema, timeField, latenessMs, partitionField, repartitioned };
}
