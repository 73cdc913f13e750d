import { type DeadLetterCode, errorMessage, MillraceError } from "../../schemas/errors.ts";
import type { FormatReader, ReadRecord } from "../../schemas/formats/format.ts";
import type { SchemaRegistry } from "./registry.ts";

/** Magic byte and schema id in front of a value: Confluent's wire format. */
export const framingBytes = 5;

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
}

const defaults = { subject: null, askAgainMs: 10_000 } as const;

export type Decoded =
  | { readonly kind: "value"; readonly value: Record<string, unknown> }
  | { readonly kind: "need-schema"; readonly id: number }
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
  /** By writer id: how to read it, or why it cannot be read. */
  readonly #writers = new Map<number, ReadRecord | string>();
  /** By id: when the registry said that it has none. */
  readonly #unknown = new Map<number, number>();
  readonly #asked = new Map<number, Promise<void>>();
  readonly #outcome = { kind: "value" as const, value: {} as Record<string, unknown> };
  /** Of values that are read by no writer's schema. */
  readonly #plain: ReadRecord | null;

  constructor(registry: SchemaRegistry, reader: FormatReader, options: DecoderOptions = {}) {
    const { subject, askAgainMs } = { ...defaults, ...options };
    this.#registry = registry;
    this.#reader = reader;
    this.#subject = subject;
    this.#askAgainMs = askAgainMs;
    this.#plain = reader.framing === "required" && reader.bySchema ? null : reader.readerOf(null);
  }

  decode(buffer: Buffer, start: number, end: number): Decoded {
    if (start < 0) return this.#malformed("it is null");
    const framed = end - start >= framingBytes && buffer[start] === 0;
    if (!framed) {
      if (this.#reader.framing === "required") {
        return this.#malformed("it has no magic byte and schema id in front");
      }
      return this.#read(this.#plain, buffer, start, end);
    }
    const body = start + framingBytes;
    if (!this.#reader.bySchema) return this.#read(this.#plain, buffer, body, end);
    const id = buffer.readInt32BE(start + 1);
    const writer = this.#writers.get(id);
    if (writer !== undefined) return this.#read(writer, buffer, body, end);
    const since = this.#unknown.get(id);
    if (since === undefined || performance.now() - since > this.#askAgainMs) {
      return { kind: "need-schema", id };
    }
    return this.unknown(id);
  }

  /** The outcome of a value whose schema the registry does not give, or only to others. */
  unknown(id: number): Decoded & { kind: "failed" } {
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
  async resolve(id: number): Promise<void> {
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
  ): Promise<Record<string, unknown>> {
    let decoded = this.decode(buffer, start, end);
    if (decoded.kind === "need-schema") {
      await this.resolve(decoded.id);
      decoded = this.decode(buffer, start, end);
    }
    if (decoded.kind === "value") return decoded.value;
    const reason = decoded.kind === "failed" ? decoded.reason : "its schema stays unknown";
    throw new MillraceError("VALUE_UNREADABLE", { format: this.#reader.name, reason });
  }

  #read(read: ReadRecord | string | null, buffer: Buffer, start: number, end: number): Decoded {
    if (read === null || typeof read === "string")
      return this.#malformed(read ?? "it has no schema");
    try {
      this.#outcome.value = read(buffer, start, end);
    } catch (error) {
      return this.#malformed(messageOf(error));
    }
    return this.#outcome;
  }

  #malformed(reason: string): Decoded {
    const code = this.#reader.malformed;
    return { kind: "failed", code, reason: errorMessage(code, { reason }) };
  }

  async #resolve(id: number): Promise<void> {
    const schema = await givenOr(null, this.#registry.schemaById(id));
    if (schema === null) return this.#refuse(id);
    let read: ReadRecord | string;
    try {
      read = this.#reader.readerOf(schema);
    } catch (error) {
      read = `schema ${id} cannot be read as ${this.#reader.name}: ${messageOf(error)}`;
    }
    // What cannot be read is named for what it is, whosever it is.
    if (typeof read !== "string" && this.#subject !== null) {
      const subjects = await givenOr([], this.#registry.subjectsOf(id));
      if (!subjects.includes(this.#subject)) return this.#refuse(id);
    }
    this.#unknown.delete(id);
    this.#writers.set(id, read);
  }

  #refuse(id: number): void {
    if (this.#unknown.size >= unknownIdsLimit) this.#unknown.clear();
    this.#unknown.set(id, performance.now());
  }
}

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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
