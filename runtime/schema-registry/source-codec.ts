import { formatWriter, openFormat } from "../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import { subjectOf } from "../../schemas/subjects.ts";
import { RecordDecoder } from "./record-decoder.ts";
import type { SchemaRegistry } from "./registry.ts";
import { ValueEncoder } from "./value-encoder.ts";

type Coded = Pick<SourceSpec, "topic" | "format" | "subjects">;

/** Reads the records of a source: the fields of its layout, by their paths. */
export function sourceDecoder(
  registry: SchemaRegistry,
  { topic, format, subjects = "topic" }: Coded,
): RecordDecoder {
  const reader = openFormat(format);
  return new RecordDecoder(registry, reader, { subject: subjectOf(subjects, topic, reader.name) });
}

/** Writes records of a source that is ours to feed; registers the schema that stands in front. */
export async function sourceEncoder(
  registry: SchemaRegistry,
  { topic, format, subjects = "topic" }: Coded,
): Promise<ValueEncoder> {
  const writer = formatWriter(format);
  const { schema, name } = writer;
  // Where any subject will do, it is the topic's.
  const subject = subjectOf(subjects, topic, name) ?? `${topic}-value`;
  const id = schema === null ? null : await registry.register(subject, schema);
  return new ValueEncoder(writer, id);
}
