import type { ByteWriter } from "../../schemas/bytes.ts";
import { MillraceError } from "../../schemas/errors.ts";
import type { FormatWriter } from "../../schemas/formats/format.ts";
import { thrownText } from "../../schemas/plain-text.ts";
import { framingBytes } from "./record-decoder.ts";

/** Encodes values of a format, in Confluent's wire format where they have a schema id. */
export class ValueEncoder {
  readonly #writer: FormatWriter;
  readonly #id: number | null;

  /** @param id - of the format's schema in the registry; null: nothing stands in front. */
  constructor(writer: FormatWriter, id: number | null) {
    this.#writer = writer;
    this.#id = id;
  }

  /** Of the schema that stands in front; null: nothing does. */
  get schemaId(): number | null {
    return this.#id;
  }

  /**
   * Appends header and value.
   *
   * @throws {MillraceError} VALUE_INVALID naming what does not fit; nothing is appended.
   */
  encode(value: object, writer: ByteWriter): void {
    const start = writer.position;
    if (this.#id !== null) {
      writer.reserve(framingBytes);
      writer.buffer[start] = 0;
      writer.buffer.writeInt32BE(this.#id, start + 1);
    }
    try {
      this.#writer.write(value, writer);
    } catch (cause) {
      writer.position = start;
      const reason = thrownText(cause);
      throw new MillraceError("VALUE_INVALID", { format: this.#writer.name, reason }, { cause });
    }
  }
}
