import type { AvroSchema } from "../../plan.ts";
import type { FormatText } from "../format.ts";

/** A record schema in lines, without its docs. */
export function avroText(schema: AvroSchema): FormatText {
  const { namespace, aliases = [] } = schema;
  const name = namespace === undefined ? schema.name : `${namespace}.${schema.name}`;
  return {
    // Those a writer's record may have instead.
    heading:
      aliases.length === 0 ? `record ${name}` : `record ${name} aliases ${typeText(aliases)}`,
    lines: schema.fields.map(({ name, type, doc: _, ...rest }) => {
      // A default, aliases: what else decides how a writer's schema is read.
      const more = Object.keys(rest).length === 0 ? "" : ` ${typeText(rest)}`;
      return `${name}: ${typeText(type)}${more}`;
    }),
  };
}

function typeText(type: unknown): string {
  if (typeof type === "string") return type;
  return JSON.stringify(type, (key, value: unknown) => (key === "doc" ? undefined : value));
}
