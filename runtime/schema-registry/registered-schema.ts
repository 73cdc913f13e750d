import { inlineReferences, type NamedAvroType } from "../../schemas/avro-references.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { type RecordSchema, recordSchema } from "../../schemas/record-schema.ts";
import { type ConfluentRegistryOptions, openConfluentRegistry } from "./confluent.ts";

/** Where a schema is, and which of its versions is meant. */
export interface RegisteredSchemaOptions extends ConfluentRegistryOptions {
  /**
   * Version of the subject. Name one where an application has to stay what it is: with another
   * schema it is another topology.
   *
   * @default the newest, whenever the application starts
   */
  readonly version?: number;
}

/**
 * An Avro schema of a registry, whole, for `avro(…)`. The compiler cannot know its fields: give the
 * type of its records, e.g. one that `millrace generate` has written.
 *
 * @throws {MillraceError} REGISTERED_SCHEMA_MISSING when the subject has none, or none in Avro;
 * REGISTRY_UNAVAILABLE, REGISTRY_LOGIN, REGISTRY_REFUSED.
 * @example
 * const url = "http://127.0.0.1:8081/apis/ccompat/v7";
 * const payment = await registeredSchema<Payment>("payments-value", { url, version: 3 });
 * const payments = from("payments", avro(payment));
 */
export async function registeredSchema<T>(
  subject: string,
  options: RegisteredSchemaOptions,
): Promise<RecordSchema<T>> {
  const { version = null, ...server } = options;
  const registry = openConfluentRegistry(server);
  try {
    const found = await registry.versionOf(subject, version ?? "latest");
    const known = found === null ? null : await registry.schemaById(found.id);
    if (known?.type !== "AVRO") {
      const what = version === null ? "newest version" : `version ${version}`;
      throw new MillraceError("REGISTERED_SCHEMA_MISSING", { url: server.url, subject, what });
    }
    const contracts = [...known.references, known.schema] as NamedAvroType[];
    return recordSchema<T>(inlineReferences(contracts).at(-1) as AvroSchema);
  } finally {
    await registry.close();
  }
}
