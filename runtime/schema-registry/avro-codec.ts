import type { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { wholeAvro } from "../../schemas/formats/avro/avro-format.ts";
import { type AvroType, nameOf } from "../../schemas/formats/avro/avro-types.ts";
import { mismatches } from "../../schemas/formats/avro/mismatch.ts";
import { parseAvro } from "../../schemas/formats/avro/parse-avro.ts";
import { type Write, Writes } from "../../schemas/formats/avro/write.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { framingBytes, RecordDecoder } from "./record-decoder.ts";
import type { SchemaRegistry } from "./registry.ts";

/** Decodes whole values of a contract of ours, whatever compatible schema wrote them. */
export class AvroDecoder extends RecordDecoder {
  constructor(registry: SchemaRegistry, schema: AvroSchema) {
    super(registry, wholeAvro(schema));
  }
}

/** Encodes values of one schema in Confluent's wire format. */
export class AvroEncoder {
  readonly #type: AvroType;
  readonly #write: Write;
  readonly #id: number;

  constructor(schema: AvroSchema, id: number) {
    this.#type = parseAvro(schema);
    this.#write = new Writes().of(this.#type);
    this.#id = id;
  }

  /**
   * Appends header and value.
   *
   * @throws {MillraceError} AVRO_VALUE_INVALID naming what does not fit; nothing is appended.
   */
  encode(value: object, writer: ByteWriter): void {
    const header = writer.reserve(framingBytes);
    writer.buffer[header] = 0;
    writer.buffer.writeInt32BE(this.#id, header + 1);
    try {
      this.#write(value, writer);
    } catch (error) {
      writer.position = header;
      throw this.#invalid(value, error);
    }
  }

  #invalid(value: object, cause: unknown): MillraceError {
    const found = [...mismatches(this.#type, value, "")];
    const reason = found.length > 0 ? found.slice(0, 3).join("; ") : String(cause);
    const schema = nameOf(this.#type);
    return new MillraceError("AVRO_VALUE_INVALID", { schema, reason }, { cause });
  }
}
