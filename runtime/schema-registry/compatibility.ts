import { MillraceError } from "../../schemas/errors.ts";
import type { AvroType } from "../../schemas/formats/avro/avro-types.ts";
import { incompatibility } from "../../schemas/formats/avro/compatible.ts";
import { parseAvro } from "../../schemas/formats/avro/parse-avro.ts";
import type { AvroSchema } from "../../schemas/plan.ts";

/**
 * Checks that a new version of a subject reads what the latest one wrote (BACKWARD).
 *
 * @throws {MillraceError} SCHEMA_INCOMPATIBLE naming the subject and the field.
 */
export function checkBackward(subject: string, latest: AvroSchema, next: AvroSchema): void {
  const found = incompatibility(parseAvro(latest), checkSchema(subject, next));
  if (found !== null) throw new MillraceError("SCHEMA_INCOMPATIBLE", { subject, ...found });
}

/** @throws {MillraceError} SCHEMA_INVALID when the schema cannot be used. */
export function checkSchema(subject: string, schema: AvroSchema): AvroType {
  try {
    return parseAvro(schema);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new MillraceError("SCHEMA_INVALID", { subject, reason });
  }
}
