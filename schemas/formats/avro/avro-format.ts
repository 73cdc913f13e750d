import type { AvroSchema } from "../../plan.ts";
import type { RecordSchema } from "../../record-schema.ts";
import { type FormatReader, type FormatWriter, formatVerb, type WriterSchema } from "../format.ts";
import { AvroInput } from "./avro-input.ts";
import { avroLayout, avroShapes, avroUnits, presentInAvro } from "./avro-layout.ts";
import { avroText } from "./avro-text.ts";
import { type AvroType, nameOf } from "./avro-types.ts";
import { flatRead } from "./flat.ts";
import { mismatches } from "./mismatch.ts";
import { parseAvro } from "./parse-avro.ts";
import { type Read, Resolution } from "./resolve.ts";
import { Writes } from "./write.ts";

/** Avro in Confluent's framing, read as `schema` whatever compatible schema wrote it. */
export interface AvroFormatSpec {
  readonly kind: "avro";
  /** The reader's schema, parsed JSON. */
  readonly schema: AvroSchema;
}

/**
 * Avro in Confluent's framing: records are read as `schema` says, whatever compatible schema wrote
 * them. Timestamps, dates and decimals go by their logical types.
 *
 * @example from("payments", avro(payment))
 */
export const avro = formatVerb(
  <T>(schema: RecordSchema<T>): AvroFormatSpec & { readonly __type?: T } => {
    return { kind: "avro", schema };
  },
  {
    layout: ({ schema }: AvroFormatSpec) => avroLayout(parseAvro(schema)),
    units: ({ schema }) => avroUnits(parseAvro(schema)),
    shapes: ({ schema }) => avroShapes(parseAvro(schema)),
    present: ({ schema }) => presentInAvro(parseAvro(schema)),
    text: ({ schema }) => avroText(schema),
    open: ({ schema }, wanted) => {
      const reader = parseAvro(schema);
      return avroReader(reader, (writer) => flatRead(writer, reader, wanted));
    },
    writer: ({ schema }) => avroWriter(schema),
  },
);

/** Reads whole records of a schema, records within them as objects: for contracts of our own. */
export function wholeAvro(schema: unknown): FormatReader {
  const reader = parseAvro(schema);
  return avroReader(reader, (writer) => new Resolution().read(writer, reader));
}

/** Writes values of a schema, without what stands in front of them. */
export function avroWriter(schema: AvroSchema): FormatWriter {
  const type = parseAvro(schema);
  const write = new Writes().of(type);
  return {
    name: nameOf(type),
    schema,
    fields: schema.fields.map((field) => field.name),
    write: (value, into) => {
      try {
        write(value, into);
      } catch (cause) {
        const found = [...mismatches(type, value, "")].slice(0, 3);
        const reason = found.length > 0 ? found.join("; ") : String(cause);
        throw new Error(reason, { cause });
      }
    },
  };
}

function avroReader(reader: AvroType, readOf: (writer: AvroType) => Read): FormatReader {
  const input = new AvroInput();
  const name = nameOf(reader);
  const readerOf = (written: WriterSchema | null) => {
    if (written === null) throw new Error("Avro needs the schema of its writer");
    if (written.type !== "AVRO") throw new Error(`it is a ${written.type} schema, not Avro`);
    const read = readOf(parseAvro(written.schema, written.references));
    return (buffer: Buffer, start: number, end: number) => {
      input.open(buffer, start, end);
      const record = read(input);
      if (!input.atEnd) throw new Error("it does not end where its schema ends");
      return record as Record<string, unknown>;
    };
  };
  const framing = { framing: "required", bySchema: true } as const;
  return { name, malformed: "MALFORMED_AVRO", ...framing, readerOf };
}
