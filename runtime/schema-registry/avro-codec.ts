import type { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { AvroInput } from "../../schemas/formats/avro/avro-input.ts";
import { avroLayout } from "../../schemas/formats/avro/avro-layout.ts";
import { type AvroType, nameOf } from "../../schemas/formats/avro/avro-types.ts";
import { flatRead } from "../../schemas/formats/avro/flat.ts";
import { mismatches } from "../../schemas/formats/avro/mismatch.ts";
import { parseAvro } from "../../schemas/formats/avro/parse-avro.ts";
import { type Read, Resolution } from "../../schemas/formats/avro/resolve.ts";
import { type Write, Writes } from "../../schemas/formats/avro/write.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import type { SchemaRegistry } from "./registry.ts";

/** Magic byte and schema id in front of every value: Confluent's wire format. */
const headerBytes = 5;

/** Unknown ids remembered, so that a poisoned id does not cost a request a record. */
const unknownIdsLimit = 10_000;

export type Decoded =
  | { readonly kind: "value"; readonly value: Record<string, unknown> }
  | { readonly kind: "need-schema"; readonly id: number }
  | {
      readonly kind: "failed";
      readonly code: "MALFORMED_AVRO" | "UNKNOWN_SCHEMA";
      readonly reason: string;
    };

/**
 * Decodes values in Confluent's wire format into a reader schema, whatever compatible schema wrote
 * them. Synchronous: only an id not met before needs `resolve` first. Bad data is an outcome, not
 * an exception. A decoder reuses one `value` outcome; take what you need from it at once.
 */
export class AvroDecoder {
  readonly #registry: SchemaRegistry;
  readonly #reader: AvroType;
  readonly #wanted: ReadonlySet<string> | null;
  readonly #input = new AvroInput();
  /** By writer id: how to read it, or why it cannot be read. */
  readonly #writers = new Map<number, Read | string>();
  readonly #unknown = new Set<number>();
  readonly #outcome = { kind: "value" as const, value: {} as Record<string, unknown> };

  /** @param flat - reads the fields of the schema's layout only, records within it by paths. */
  constructor(registry: SchemaRegistry, schema: AvroSchema, flat = false) {
    this.#registry = registry;
    this.#reader = parseAvro(schema);
    const { fields } = avroLayout(this.#reader);
    this.#wanted = flat ? new Set(fields.map(({ name }) => name)) : null;
  }

  decode(buffer: Buffer, start: number, end: number): Decoded {
    if (start < 0 || end - start < headerBytes || buffer[start] !== 0) {
      return malformed("it has no magic byte and schema id in front");
    }
    const id = buffer.readInt32BE(start + 1);
    const writer = this.#writers.get(id);
    if (writer === undefined) {
      if (!this.#unknown.has(id)) return { kind: "need-schema", id };
      return {
        kind: "failed",
        code: "UNKNOWN_SCHEMA",
        reason: `the schema registry has no schema ${id}`,
      };
    }
    if (typeof writer === "string") return malformed(writer);
    const input = this.#input;
    input.open(buffer, start + headerBytes, end);
    try {
      this.#outcome.value = writer(input) as Record<string, unknown>;
    } catch (error) {
      return malformed(messageOf(error));
    }
    return input.atEnd ? this.#outcome : malformed(`it does not end where schema ${id} ends`);
  }

  /** Looks up a schema id that `decode` asked for; afterwards it has an outcome. */
  async resolve(id: number): Promise<void> {
    const schema = await this.#registry.schemaById(id);
    if (schema === null) {
      if (this.#unknown.size >= unknownIdsLimit) this.#unknown.clear();
      this.#unknown.add(id);
      return;
    }
    try {
      const writer = parseAvro(schema);
      const wanted = this.#wanted;
      const read =
        wanted === null
          ? new Resolution().read(writer, this.#reader)
          : flatRead(writer, this.#reader, wanted);
      this.#writers.set(id, read);
    } catch (error) {
      const reader = nameOf(this.#reader);
      this.#writers.set(id, `schema ${id} cannot be read as ${reader}: ${messageOf(error)}`);
    }
  }

  /**
   * Decodes one value, looking its schema up if need be.
   *
   * @throws {MillraceError} AVRO_UNREADABLE for bad data.
   */
  async decodeAwaiting(
    buffer: Buffer,
    start: number,
    end: number,
  ): Promise<Record<string, unknown>> {
    let decoded = this.decode(buffer, start, end);
    if (decoded.kind === "need-schema") {
      await this.resolve(decoded.id);
      decoded = this.decode(buffer, start, end);
    }
    if (decoded.kind === "value") return decoded.value;
    const reason = decoded.kind === "failed" ? decoded.reason : "its schema stays unknown";
    throw new MillraceError("AVRO_UNREADABLE", { schema: nameOf(this.#reader), reason });
  }
}

function malformed(reason: string): Decoded {
  return { kind: "failed", code: "MALFORMED_AVRO", reason };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
    const header = writer.reserve(headerBytes);
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
