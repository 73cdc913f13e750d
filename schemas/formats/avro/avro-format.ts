import type { Format, FormatReader, WriterSchema } from "../format.ts";
import { AvroInput } from "./avro-input.ts";
import { avroLayout } from "./avro-layout.ts";
import { type AvroType, nameOf } from "./avro-types.ts";
import { flatRead } from "./flat.ts";
import { parseAvro } from "./parse-avro.ts";
import { type Read, Resolution } from "./resolve.ts";

/** Avro in Confluent's framing, read as `schema` whatever compatible schema wrote it. */
export interface AvroFormatSpec {
  readonly kind: "avro";
  /** The reader's schema, parsed JSON. */
  readonly schema: unknown;
}

export const avroFormat: Format<AvroFormatSpec> = {
  layout: ({ schema }) => avroLayout(parseAvro(schema)),
  open: ({ schema }, wanted) => {
    const reader = parseAvro(schema);
    return avroReader(reader, (writer) => flatRead(writer, reader, wanted));
  },
};

/** Reads whole records of a schema, records within them as objects: for contracts of our own. */
export function wholeAvro(schema: unknown): FormatReader {
  const reader = parseAvro(schema);
  return avroReader(reader, (writer) => new Resolution().read(writer, reader));
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
