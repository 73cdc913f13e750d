import type { FormatReader } from "../../schemas/formats/format.ts";
import { formatWriter, openFormat } from "../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import { msOf, type TimeUnit } from "../../schemas/source-time.ts";
import { subjectOf } from "../../schemas/subjects.ts";
import { RecordDecoder } from "./record-decoder.ts";
import type { SchemaRegistry } from "./registry.ts";
import { ValueEncoder } from "./value-encoder.ts";

type Coded = Pick<SourceSpec, "topic" | "format" | "subjects">;

/** What says where the time of a record is, beside its fields. */
type Timed = Partial<Pick<SourceSpec, "timeField" | "recordTime" | "timeUnit">>;

/** Reads the records of a source: the fields of its layout, by their paths. */
export function sourceDecoder(
  registry: SchemaRegistry,
  { topic, format, subjects = "topic", timeField, recordTime, timeUnit }: Coded & Timed,
): RecordDecoder {
  const reader = openFormat(format);
  const subject = subjectOf(subjects, topic, reader.name);
  if (timeField === undefined) return new RecordDecoder(registry, reader, { subject });
  const timed = timeUnit === undefined ? reader : inMs(reader, timeField, timeUnit);
  const timestampField = recordTime === true ? timeField : null;
  return new RecordDecoder(registry, timed, { subject, timestampField });
}

/** Reads a field that counts in another unit as UTC ms. */
function inMs(reader: FormatReader, field: string, unit: TimeUnit): FormatReader {
  const readerOf: FormatReader["readerOf"] = (schema) => {
    const read = reader.readerOf(schema);
    return (...value) => {
      const record = read(...value);
      record[field] = msOf(record[field], unit);
      return record;
    };
  };
  return { ...reader, readerOf };
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
