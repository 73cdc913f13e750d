import avsc from "avsc";
import type { AvroSchema } from "../../schemas/plan.ts";

/**
 * The avsc type of a schema: unions unwrapped (`null` or the value), long as number, timestamps as
 * epoch milliseconds, bytes as Buffer.
 */
export function avroType(schema: AvroSchema): avsc.Type {
  return avsc.Type.forSchema(schema as unknown as avsc.Schema, { wrapUnions: "never" });
}
