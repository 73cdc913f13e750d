import type avsc from "avsc";
import { MillraceError } from "../../schemas/errors.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { avroType } from "./avro-type.ts";

/**
 * Checks that a new version of a subject reads what the latest one wrote (BACKWARD).
 *
 * @throws {MillraceError} SCHEMA_INCOMPATIBLE naming the subject and the field.
 */
export function checkBackward(subject: string, latest: AvroSchema, next: AvroSchema): void {
  const writer = avroType(latest) as avsc.types.RecordType;
  const reader = checkSchema(subject, next);
  try {
    reader.createResolver(writer);
  } catch (cause) {
    const { field, reason } = findCulprit(reader, writer) ?? {
      field: next.name,
      reason: messageOf(cause),
    };
    throw new MillraceError("SCHEMA_INCOMPATIBLE", { subject, field, reason }, { cause });
  }
}

/** @throws {MillraceError} SCHEMA_INVALID when the schema cannot be used. */
export function checkSchema(subject: string, schema: AvroSchema): avsc.types.RecordType {
  try {
    return avroType(schema) as avsc.types.RecordType;
  } catch (error) {
    throw new MillraceError("SCHEMA_INVALID", { subject, reason: messageOf(error) });
  }
}

function findCulprit(
  reader: avsc.types.RecordType,
  writer: avsc.types.RecordType,
): { field: string; reason: string } | null {
  for (const field of reader.fields) {
    const names = [field.name, ...field.aliases];
    const written = writer.fields.find((each) => names.includes(each.name));
    if (written === undefined) {
      if (field.defaultValue() !== undefined) continue;
      return { field: field.name, reason: "it is new and has no default" };
    }
    try {
      field.type.createResolver(written.type);
    } catch (error) {
      return { field: field.name, reason: messageOf(error) };
    }
  }
  return null;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
