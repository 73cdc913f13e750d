import type avsc from "avsc";
import type { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import { AvroBounds } from "./avro-bounds.ts";
import { avroType } from "./avro-type.ts";
import type { SchemaRegistry } from "./registry.ts";

/** Magic byte and schema id in front of every value: Confluent's wire format. */
const headerBytes = 5;

/** How values of one writer schema are read. */
interface Writer {
  readonly resolver: avsc.Resolver;
  readonly bounds: AvroBounds | null;
}

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
  readonly #reader: avsc.Type;
  /** By writer id: how to read it, or why it cannot be read. */
  readonly #writers = new Map<number, Writer | string>();
  readonly #unknown = new Set<number>();
  readonly #outcome = { kind: "value" as const, value: {} as Record<string, unknown> };

  constructor(registry: SchemaRegistry, schema: AvroSchema) {
    this.#registry = registry;
    this.#reader = avroType(schema);
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
    const body = start + headerBytes;
    if (writer.bounds !== null && !writer.bounds.holds(buffer, body, end)) {
      return malformed(`it is no whole value of schema ${id}`);
    }
    try {
      const { value, offset } = this.#reader.decode(buffer, body, writer.resolver);
      if (offset !== end) return malformed(`it does not end where schema ${id} ends`);
      this.#outcome.value = value as Record<string, unknown>;
      return this.#outcome;
    } catch (error) {
      return malformed(error instanceof Error ? error.message : String(error));
    }
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
      const type = avroType(schema);
      const resolver = this.#reader.createResolver(type);
      this.#writers.set(id, { resolver, bounds: AvroBounds.of(type) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#writers.set(id, `schema ${id} cannot be read as ${this.#reader.name}: ${reason}`);
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
    throw new MillraceError("AVRO_UNREADABLE", { schema: this.#reader.name ?? "", reason });
  }
}

function malformed(reason: string): Decoded {
  return { kind: "failed", code: "MALFORMED_AVRO", reason };
}

/** Encodes values of one schema in Confluent's wire format. */
export class AvroEncoder {
  readonly #type: avsc.Type;
  readonly #id: number;

  constructor(schema: AvroSchema, id: number) {
    this.#type = avroType(schema);
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
    const start = writer.position;
    try {
      let end = this.#type.encode(value, writer.buffer, start);
      if (end < 0) {
        // It says how many bytes are missing.
        writer.reserve(writer.buffer.length - start - end);
        end = this.#type.encode(value, writer.buffer, start);
      }
      writer.position = end;
    } catch (error) {
      writer.position = header;
      throw this.#invalid(value, error);
    }
  }

  #invalid(value: object, cause: unknown): MillraceError {
    const found: string[] = [];
    this.#type.isValid(value, {
      errorHook: (path, part, type) => {
        found.push(`${path.join(".")} is ${describe(part)}, not ${type.typeName}`);
      },
    });
    const reason = found.length > 0 ? found.slice(0, 3).join("; ") : String(cause);
    const schema = this.#type.name ?? "";
    return new MillraceError("AVRO_VALUE_INVALID", { schema, reason }, { cause });
  }
}

function describe(part: unknown): string {
  if (part === undefined) return "missing";
  const text = typeof part === "string" ? JSON.stringify(part) : String(part);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
