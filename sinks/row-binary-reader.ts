import type { OfflineColumn, OfflineTable } from "./store.ts";

/**
 * A value of a row: times are UTC ms, NULL is null, 64-bit integers are numbers, and bigints where
 * no double is exact.
 */
export type RowBinaryValue = string | number | bigint | null | Readonly<Record<string, number>>;

/** Reads RowBinary of a table, row by row, into objects by column. */
export function* readRowBinary(
  table: OfflineTable,
  rowBinary: Uint8Array,
): Generator<Record<string, RowBinaryValue>> {
  const cursor = new RowBinaryCursor(rowBinary);
  while (!cursor.done) {
    const row: Record<string, RowBinaryValue> = {};
    for (const { name, type } of table.columns) row[name] = cursor.value(type);
    yield row;
  }
}

class RowBinaryCursor {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#position >= this.#bytes.length;
  }

  value(type: OfflineColumn["type"]): RowBinaryValue {
    const bytes = this.#bytes;
    switch (type) {
      case "Nullable(String)":
        return this.#null() ? null : this.value("String");
      case "Nullable(Float64)":
        return this.#null() ? null : this.value("Float64");
      case "Nullable(UInt8)":
        return this.#null() ? null : this.value("UInt8");
      case "Nullable(Int128)":
        return this.#null() ? null : this.value("Int128");
      case "Nullable(Int64)":
      case "Nullable(DateTime64(3, 'UTC'))":
        return this.#null() ? null : this.value("Int64");
      case "String":
      case "LowCardinality(String)":
        return this.#text();
      case "Float64":
        return bytes.readDoubleLE(this.#pass(8));
      case "Float32":
        return bytes.readFloatLE(this.#pass(4));
      case "UInt8":
        return bytes.readUInt8(this.#pass(1));
      case "UInt16":
        return bytes.readUInt16LE(this.#pass(2));
      case "UInt32":
        return bytes.readUInt32LE(this.#pass(4));
      case "Int32":
        return bytes.readInt32LE(this.#pass(4));
      case "UInt64":
        return exact(bytes.readBigUInt64LE(this.#pass(8)));
      case "Int128": {
        const low = bytes.readBigUInt64LE(this.#pass(8));
        return exact((bytes.readBigInt64LE(this.#pass(8)) << 64n) + low);
      }
      case "Map(LowCardinality(String), Float64)": {
        const entries: [string, number][] = [];
        for (let left = this.#length(); left > 0; left--) {
          entries.push([this.#text(), bytes.readDoubleLE(this.#pass(8))]);
        }
        return Object.fromEntries(entries);
      }
      case "Int64":
      case "DateTime64(3, 'UTC')":
        return exact(bytes.readBigInt64LE(this.#pass(8)));
    }
  }

  #null(): boolean {
    return this.#bytes[this.#pass(1)] === 1;
  }

  /** LEB128. */
  #length(): number {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#pass(1));
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return length;
    }
  }

  #text(): string {
    const length = this.#length();
    const start = this.#pass(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  /** Passes over bytes and returns where they start. */
  #pass(bytes: number): number {
    const start = this.#position;
    this.#position = start + bytes;
    return start;
  }
}

/** A bigint where no double is exact. */
function exact(value: bigint): number | bigint {
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}
