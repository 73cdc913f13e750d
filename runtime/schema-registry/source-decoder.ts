import { openFormat } from "../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import { RecordDecoder } from "./record-decoder.ts";
import type { SchemaRegistry } from "./registry.ts";

/** Reads the records of a source: the fields of its layout, by their paths. */
export function sourceDecoder(registry: SchemaRegistry, source: SourceSpec): RecordDecoder {
  return new RecordDecoder(registry, openFormat({ kind: "avro", schema: source.schema }));
}
