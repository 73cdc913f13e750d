import type { WriterSchema } from "../../schemas/formats/format.ts";
import type { AvroSchema } from "../../schemas/plan.ts";

/**
 * What names a schema: a number of its registry, or a GUID (lower case, with hyphens), which is the
 * same everywhere.
 */
export type SchemaId = number | string;

/** A schema under its id. */
export interface RegisteredSchema {
  readonly id: number;
  readonly schema: AvroSchema;
}

/**
 * The schema registry port: subjects hold versions of an Avro schema, ids name schemas for ever.
 * Adapters: `embedded.ts` (in memory or a journal on disk), `confluent.ts`.
 */
export interface SchemaRegistry {
  /**
   * Id of a schema under a subject; registers it when it is new there. Idempotent: equal schemas
   * have one id, across subjects too.
   *
   * @throws {MillraceError} SCHEMA_INCOMPATIBLE when it cannot read what the subject's latest
   * version wrote (BACKWARD compatibility).
   */
  register(subject: string, schema: AvroSchema): Promise<number>;
  /**
   * The schema of an id, of whatever language, with those that it names; null when there is none.
   *
   * @throws {MillraceError} REGISTRY_UNAVAILABLE, REGISTRY_LOGIN, REGISTRY_REFUSED.
   */
  schemaById(id: number): Promise<WriterSchema | null>;
  /**
   * The schema of a GUID; null when there is none, or none on the subject (null: any will do).
   *
   * @throws {MillraceError} as {@link schemaById}.
   */
  schemaByGuid(guid: string, subject: string | null): Promise<WriterSchema | null>;
  /**
   * The subjects that a schema is registered on; none when its id is unknown.
   *
   * @throws {MillraceError} REGISTRY_UNAVAILABLE, REGISTRY_LOGIN, REGISTRY_REFUSED.
   */
  subjectsOf(id: number): Promise<readonly string[]>;
  /** The newest version of a subject, or null when there is none. */
  latest(subject: string): Promise<RegisteredSchema | null>;
  close(): Promise<void>;
}
