import { avroWriter, wholeAvro } from "../../schemas/formats/avro/avro-format.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { RecordDecoder } from "./record-decoder.ts";
import type { SchemaRegistry } from "./registry.ts";
import { ValueEncoder } from "./value-encoder.ts";

/** Decodes whole values of a contract of ours, whatever compatible schema wrote them. */
export class AvroDecoder extends RecordDecoder {
  constructor(registry: SchemaRegistry, schema: AvroSchema) {
    super(registry, wholeAvro(schema));
  }
}

/** Encodes values of one schema in Confluent's wire format. */
export class AvroEncoder extends ValueEncoder {
  constructor(schema: AvroSchema, id: number) {
    super(avroWriter(schema), id);
  }
}
