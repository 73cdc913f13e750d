import type { ByteWriter } from "../bytes.ts";
import type { DeadLetterCode } from "../errors.ts";
import type { AvroSchema } from "../plan.ts";
import type { RowLayout } from "../row-layout.ts";

/** A schema as a registry keeps it under an id. */
export interface WriterSchema {
  /** `AVRO`, `JSON` or `PROTOBUF`. */
  readonly type: string;
  /** Parsed JSON of an Avro schema; the text of another. */
  readonly schema: unknown;
  /** Schemas that it names, each before those that name it; as `schema` is. */
  readonly references: readonly unknown[];
}

/**
 * Reads the record that fills `buffer[start, end)`: its wanted fields under their paths, null
 * where they are missing. A record is read anew each time and may be kept.
 *
 * @param behindId - what stands behind the schema id where that is in a header; else it is part of
 * the value.
 * @throws {Error} saying why the bytes are no such record.
 */
export type ReadRecord = (
  buffer: Buffer,
  start: number,
  end: number,
  behindId?: Buffer,
) => Record<string, unknown>;

/** How the values of a topic are read. */
export interface FormatReader {
  /** What the records are, for messages. */
  readonly name: string;
  /** Code of a dead letter for bytes that are no such record, e.g. `MALFORMED_AVRO`. */
  readonly malformed: DeadLetterCode;
  /**
   * Whether a schema id must or may stand in front or in a header (Confluent's framing); none: the
   * whole value is the record.
   */
  readonly framing: "required" | "optional" | "none";
  /** Whether framed values are read by the schema of their id, which then has to be looked up. */
  readonly bySchema: boolean;
  /**
   * Reads values of a writer's schema; null: values without framing, or of any schema.
   *
   * @throws {Error} saying why none can be read.
   */
  readonly readerOf: (schema: WriterSchema | null) => ReadRecord;
}

/** How records are written, by those who feed a source of their own. */
export interface FormatWriter {
  /** What the records are, for messages. */
  readonly name: string;
  /** What to register on the subject of the topic, whose id then stands in front; null: nothing. */
  readonly schema: AvroSchema | null;
  /** The fields of a record, without those of records within it. */
  readonly fields: readonly string[];
  /**
   * Appends a record as its type has it: records within it as objects, timestamps in UTC ms.
   *
   * @throws {Error} saying what does not fit.
   */
  readonly write: (record: object, into: ByteWriter) => void;
}

/** What `describe` prints: everything that decides how records are read. */
export interface FormatText {
  readonly heading: string;
  readonly lines: readonly string[];
}

/** A decimal, or one of some texts. */
export type ValueShape = "decimal" | { readonly symbols: readonly string[] };

/** A kind of format: from its spec, the layout of its records and how they are read. */
export interface Format<Spec> {
  /** @throws {Error} when the spec is no use. */
  readonly layout: (spec: Spec) => RowLayout;
  /**
   * What the layout does not say of the values of a field, by its path: the unit in which they are
   * counted. Another unit makes them mean something else. Left out: numbers, and timestamps in ms.
   */
  readonly units: (spec: Spec) => ReadonlyMap<string, string>;
  /** By their paths what the layout does not say of the values of fields as JSON writes them. */
  readonly shapes: (spec: Spec) => ReadonlyMap<string, ValueShape>;
  /** Paths of what is never null, where the record around it is not: fields, and records. */
  readonly present: (spec: Spec) => ReadonlySet<string>;
  readonly text: (spec: Spec) => FormatText;
  /** By their paths the fields that it knows of and does not read, and what each is: "a map". */
  readonly unread?: (spec: Spec) => ReadonlyMap<string, string>;
  /** @param paths - of the fields of its layout: what is no such field is passed over. */
  readonly open: (spec: Spec, paths: ReadonlySet<string>) => FormatReader;
  readonly writer: (spec: Spec) => FormatWriter;
}

/** What users write, with what it stands for: `avro(schema)` gives a spec of `avro.format`. */
export function formatVerb<Verb extends (...given: never[]) => { readonly kind: string }, Spec>(
  verb: Verb,
  format: Format<Spec>,
): Verb & { readonly format: Format<Spec> } {
  return Object.assign(verb, { format });
}
