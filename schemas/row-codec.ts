import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { RowField, RowLayout, RowType, ScalarType } from "./row-layout.ts";

/**
 * Bytes of rows of a layout, field by field and little endian:
 *
 * | type | bytes |
 * | --- | --- |
 * | number | f64, NaN for null |
 * | integer, timestamp | 8 bytes, two's complement; −2^63 says that 8 bytes without a sign follow, for what is 2^63 and more and for −2^63 itself (0) |
 * | boolean | u8, 0 or 1 |
 * | text | text as `bytes.ts` writes it |
 * | list | u32 length, then the values, each as one that may be null |
 *
 * All but number stand behind a byte, 0 for null and 1 else, where they may be null.
 *
 * `Row` is for who knows the layout as it is written: names and types have to be those of it.
 */
export class RowCodec<Row extends object = Record<string, unknown>> {
  readonly layout: RowLayout;
  readonly #fields: readonly { readonly name: string; readonly codec: ValueCodec }[];

  constructor(layout: RowLayout) {
    this.layout = layout;
    this.#fields = layout.fields.map((field) => ({ name: field.name, codec: valueCodec(field) }));
  }

  /**
   * The caller vouches for the types: a text is anything's text, a boolean is true or not.
   *
   * @throws {TypeError | RangeError | SyntaxError} for what is no list, or no whole number of 64
   * bits.
   */
  write(writer: ByteWriter, row: Readonly<Row>): void {
    const values = row as Readonly<Record<string, unknown>>;
    for (const { name, codec } of this.#fields) codec.write(writer, values[name] ?? null);
  }

  /** As `write`: the values in the order of the fields. */
  writeValues(writer: ByteWriter, values: readonly unknown[]): void {
    for (let i = 0; i < this.#fields.length; i++) {
      this.#fields[i]?.codec.write(writer, values[i] ?? null);
    }
  }

  /** As `read`: the values in the order of the fields. */
  readValues(reader: ByteReader): unknown[] {
    return this.#fields.map(({ codec }) => codec.read(reader));
  }

  /** A whole number is a bigint where no double is exact. */
  read(reader: ByteReader): Row {
    const row: Record<string, unknown> = {};
    for (const { name, codec } of this.#fields) row[name] = codec.read(reader);
    return row as Row;
  }
}

/** Bytes of one field; null stands for nothing. */
export interface ValueCodec {
  write(writer: ByteWriter, value: unknown): void;
  read(reader: ByteReader): unknown;
}

const number: ValueCodec = {
  write: (writer, value) => writer.f64(value === null ? Number.NaN : Number(value)),
  read: (reader) => {
    const value = reader.f64();
    return Number.isNaN(value) ? null : value;
  },
};

/** The least whole number of 64 bits with a sign. */
const least = -(2n ** 63n);

const integer: ValueCodec = {
  write: (writer, value) => {
    const whole = BigInt(value as number | bigint);
    const isSigned = whole > least && whole < -least;
    const at = writer.reserve(isSigned ? 8 : 16);
    writer.buffer.writeBigInt64LE(isSigned ? whole : least, at);
    if (!isSigned) writer.buffer.writeBigUInt64LE(whole === least ? 0n : whole, at + 8);
  },
  read: (reader) => {
    const { buffer, position } = reader;
    const value = buffer.readBigInt64LE(position);
    reader.position = position + 8;
    if (value === least) {
      reader.position += 8;
      const beyond = buffer.readBigUInt64LE(position + 8);
      return beyond === 0n ? least : beyond;
    }
    const near = Number(value);
    return Number.isSafeInteger(near) ? near : value;
  },
};

const scalars: Readonly<Record<ScalarType, ValueCodec>> = {
  number,
  integer,
  timestamp: integer,
  boolean: {
    write: (writer, value) => writer.u8(value === true ? 1 : 0),
    read: (reader) => reader.u8() === 1,
  },
  text: {
    write: (writer, value) => writer.text(String(value)),
    read: (reader) => reader.text(),
  },
};

/** The bytes of a field of this type alone. */
export function valueCodec({ type, nullable }: Pick<RowField, "type" | "nullable">): ValueCodec {
  const codec = typeof type === "string" ? scalars[type] : listOf(type);
  return nullable && type !== "number" ? orNull(codec) : codec;
}

function orNull({ write, read }: ValueCodec): ValueCodec {
  return {
    write: (writer, value) => {
      writer.u8(value === null ? 0 : 1);
      if (value !== null) write(writer, value);
    },
    read: (reader) => (reader.u8() === 0 ? null : read(reader)),
  };
}

function listOf({ list }: Exclude<RowType, ScalarType>): ValueCodec {
  const item = valueCodec({ type: list, nullable: true });
  return {
    write: (writer, value) => {
      const items = value as readonly unknown[];
      writer.u32(items.length);
      for (const each of items) item.write(writer, each ?? null);
    },
    read: (reader) => Array.from({ length: reader.u32() }, () => item.read(reader)),
  };
}
