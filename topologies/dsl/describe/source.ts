import type { SourceSpec } from "../../../schemas/plan.ts";
import { block, durationText } from "./text.ts";

export function sourceText({
  topic,
  schema,
  timeField,
  latenessMs,
  partitionField,
  repartitioned,
}: SourceSpec): string {
  const name = schema.namespace === undefined ? schema.name : `${schema.namespace}.${schema.name}`;
  return block(`source ${topic}`, [
    `time ${timeField}, lateness ${durationText(latenessMs)}`,
    repartitioned ? `repartitioned by ${partitionField}` : `key ${partitionField}`,
    block(
      `record ${name}`,
      schema.fields.map(({ name, type, doc: _, ...rest }) => {
        // A default, aliases: what else decides how a writer's schema is read.
        const more = Object.keys(rest).length === 0 ? "" : ` ${typeText(rest)}`;
        return `${name}: ${typeText(type)}${more}`;
      }),
    ),
  ]);
}

/** An Avro type without its docs. */
function typeText(type: unknown): string {
  if (typeof type === "string") return type;
  return JSON.stringify(type, (key, value: unknown) => (key === "doc" ? undefined : value));
}
