import type { AvroSchema } from "./plan.ts";

/**
 * An Avro record schema that carries the TypeScript type of its records, so that
 * `from(topic, departure)` knows the fields. `__type` exists for the compiler alone.
 */
export type RecordSchema<T> = AvroSchema & { readonly __type?: T };

/** Freezes a schema, parts included, and gives it the type of its records. */
export function recordSchema<T>(schema: AvroSchema): RecordSchema<T> {
  freezeDeep(schema);
  return schema;
}

function freezeDeep(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freezeDeep(part);
}
