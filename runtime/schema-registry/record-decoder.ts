import { type DeadLetterCode, errorMessage, MillraceError } from "../../schemas/errors.ts";
import type { FormatReader, ReadRecord, WriterSchema } from "../../schemas/formats/format.ts";
import { thrownText } from "../../schemas/plain-text.ts";
import { Guids } from "./guids.ts";
import type { SchemaId, SchemaRegistry } from "./registry.ts";

/** Magic byte and schema id in front of a value: Confluent's wire format. */
export const framingBytes = 5;

/** The same with a GUID in place of the number, and what stands in a header. */
const guidBytes = 17;

/** What a record has besides its value that says how it is read. */
export interface AroundValue {
  readonly timestampMs: number;
  /** Of the header that names the schema; null: there is none. */
  readonly schemaHeader: Buffer | null;
}

/** Unknown ids remembered, so that a poisoned id does not cost a request a record. */
const unknownIdsLimit = 10_000;

export interface DecoderOptions {
  /** The subject that ids have to be of; null: of any. @default null */
  readonly subject?: string | null;
  /**
   * Time after which an unknown id is asked for again, ms: it may have been registered.
   * @default 10000
   */
  readonly askAgainMs?: number;
  /** Field that takes the timestamp of the record. @default none */
  readonly timestampField?: string | null;
}

const defaults = { subject: null, askAgainMs: 10_000, timestampField: null } as const;

export type Decoded =
  | { readonly kind: "value"; readonly value: Record<string, unknown> }
  | { readonly kind: "need-schema"; readonly id: SchemaId }
  | {
      readonly kind: "failed";
      /** `UNKNOWN_SCHEMA`, or what the format calls it, e.g. `MALFORMED_AVRO`. */
      readonly code: DeadLetterCode;
      readonly reason: string;
    };

/**
 * Decodes the values of a topic by its format, whatever schemas wrote them. Synchronous: only an
 * id not met before needs `resolve` first. Bad data is an outcome, not an exception. A decoder
 * reuses one `value` outcome; take what you need from it at once.
 */
export class RecordDecoder {
  readonly #registry: SchemaRegistry;
  readonly #reader: FormatReader;
  readonly #subject: string | null;
  readonly #askAgainMs: number;
  readonly #timestampField: string | null;
  /** By writer id: how to read it, or why it cannot be read. */
  readonly #writers = new Map<SchemaId, ReadRecord | string>();
  /** By id: when the registry said that it has none. */
  readonly #unknown = new Map<SchemaId, number>();
  readonly #asked = new Map<SchemaId, Promise<void>>();
  readonly #guids = new Guids();
  readonly #outcome = { kind: "value" as const, value: {} as Record<string, unknown> };
  /** Of values that are read by no writer's schema. */
  readonly #plain: ReadRecord | null;

  constructor(registry: SchemaRegistry, reader: FormatReader, options: DecoderOptions = {}) {
    const { subject, askAgainMs, timestampField } = { ...defaults, ...options };
    this.#timestampField = timestampField;
    this.#registry = registry;
    this.#reader = reader;
    this.#subject = subject;
    this.#askAgainMs = askAgainMs;
    this.#plain = reader.framing === "required" && reader.bySchema ? null : reader.readerOf(null);
  }

  /** @param around - @default the value stands alone */
  decode(buffer: Buffer, start: number, end: number, around: AroundValue = alone): Decoded {
    if (start < 0) return this.#malformed("it is null");
    const { framing, bySchema } = this.#reader;
    if (framing === "none") return this.#read(this.#plain, buffer, start, end, around);
    const header = around.schemaHeader;
    const id =
      header === null ? this.#idIn(buffer, start, end) : this.#idIn(header, 0, header.length);
    if (id === null) {
      if (framing === "required") {
        return this.#malformed("it has no magic byte and schema id in front");
      }
      return this.#read(this.#plain, buffer, start, end, around);
    }
    const idBytes = typeof id === "number" ? framingBytes : guidBytes;
    const body = header === null ? start + idBytes : start;
    if (!bySchema) return this.#read(this.#plain, buffer, body, end, around);
    const writer = this.#writers.get(id);
    if (writer !== undefined) {
      // What stands behind an id in a header belongs to it, not to the value.
      const behind = header?.length === idBytes ? nothing : header?.subarray(idBytes);
      return this.#read(writer, buffer, body, end, around, behind);
    }
    const since = this.#unknown.get(id);
    if (since === undefined || performance.now() - since > this.#askAgainMs) {
      return { kind: "need-schema", id };
    }
    return this.unknown(id);
  }

  /** The outcome of a value whose schema was refused before. */
  refused(buffer: Buffer, start: number, end: number, around: AroundValue = alone): Decoded {
    const header = around.schemaHeader;
    return this.unknown(
      (header === null ? this.#idIn(buffer, start, end) : this.#idIn(header, 0, header.length)) ??
        0,
    );
  }

  /** The outcome of a value whose schema the registry does not give, or only to others. */
  unknown(id: SchemaId): Decoded & { kind: "failed" } {
    const subject = this.#subject;
    const code = "UNKNOWN_SCHEMA";
    const of = subject === null ? "" : ` of the subject ${subject}`;
    return { kind: "failed", code, reason: errorMessage(code, { id, of }) };
  }

  /**
   * Looks up a schema id that `decode` asked for; afterwards it has an outcome. What the registry
   * refuses is unknown.
   *
   * @throws {MillraceError} REGISTRY_UNAVAILABLE, REGISTRY_LOGIN: nothing is known yet.
   */
  async resolve(id: SchemaId): Promise<void> {
    const asked = this.#asked.get(id) ?? this.#resolve(id);
    this.#asked.set(id, asked);
    try {
      await asked;
    } finally {
      this.#asked.delete(id);
    }
  }

  /**
   * Decodes one value, looking its schema up if need be.
   *
   * @throws {MillraceError} VALUE_UNREADABLE for bad data.
   */
  async decodeAwaiting(
    buffer: Buffer,
    start: number,
    end: number,
    around: AroundValue = alone,
  ): Promise<Record<string, unknown>> {
    let decoded = this.decode(buffer, start, end, around);
    if (decoded.kind === "need-schema") {
      await this.resolve(decoded.id);
      decoded = this.decode(buffer, start, end, around);
    }
    if (decoded.kind === "value") return decoded.value;
    const reason = decoded.kind === "failed" ? decoded.reason : "its schema stays unknown";
    throw new MillraceError("VALUE_UNREADABLE", { format: this.#reader.name, reason });
  }

  #read(
    read: ReadRecord | string | null,
    buffer: Buffer,
    start: number,
    end: number,
    { timestampMs }: AroundValue,
    behindId?: Buffer,
  ): Decoded {
    if (read === null || typeof read === "string")
      return this.#malformed(read ?? "it has no schema");
    try {
      const value = read(buffer, start, end, behindId);
      if (this.#timestampField !== null) value[this.#timestampField] = timestampMs;
      this.#outcome.value = value;
    } catch (error) {
      return this.#malformed(thrownText(error));
    }
    return this.#outcome;
  }

  #malformed(reason: string): Decoded {
    const code = this.#reader.malformed;
    return { kind: "failed", code, reason: errorMessage(code, { reason }) };
  }

  async #resolve(id: SchemaId): Promise<void> {
    const schema = await givenOr(null, this.#schemaOf(id));
    if (schema === null) return this.#refuse(id);
    let read: ReadRecord | string;
    try {
      read = this.#reader.readerOf(schema);
    } catch (error) {
      read = `schema ${id} cannot be read as ${this.#reader.name}: ${thrownText(error)}`;
    }
    // What cannot be read is named for what it is, whosever it is.
    if (typeof read !== "string" && typeof id === "number" && this.#subject !== null) {
      const subjects = await givenOr([], this.#registry.subjectsOf(id));
      if (!subjects.includes(this.#subject)) return this.#refuse(id);
    }
    this.#unknown.delete(id);
    this.#writers.set(id, read);
  }

  #schemaOf(id: SchemaId): Promise<WriterSchema | null> {
    if (typeof id === "number") return this.#registry.schemaById(id);
    return this.#registry.schemaByGuid(id, this.#subject);
  }

  /**
   * The id at the start of a value or a header: a zero and a number (version 0), or a one and a
   * GUID (version 1); null: there is none.
   */
  #idIn(buffer: Buffer, start: number, end: number): SchemaId | null {
    const length = end - start;
    if (length >= framingBytes && buffer[start] === 0) return buffer.readInt32BE(start + 1);
    return length < guidBytes || buffer[start] !== 1 ? null : this.#guids.at(buffer, start + 1);
  }

  #refuse(id: SchemaId): void {
    if (this.#unknown.size >= unknownIdsLimit) this.#unknown.clear();
    this.#unknown.set(id, performance.now());
  }
}

const nothing = Buffer.alloc(0);

const alone: AroundValue = { timestampMs: -1, schemaHeader: null };

/** What the registry gives, or something else where it refuses to. */
async function givenOr<T>(refused: T, given: Promise<T>): Promise<T> {
  return await given.catch((error: unknown) => {
    if (isRefusal(error)) return refused;
    throw error;
  });
}

/** An answer that will stay the same however often one asks. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false;
  const { status } = error.context;
  return typeof status === "number" && status >= 400 && status < 500 && !passing.has(status);
}

/**
 * Logins that may be mended, and patience; 404 is what something else than a registry answered: it
 * says in another way that there is no such id.
 */
const passing: ReadonlySet<number> = new Set([401, 404, 407, 408, 425, 429]);
