import type { ByteWriter } from "../../../schemas/bytes.ts";
import type { OfflineColumn } from "../../../sinks/store.ts";

/** Bytes of a value in RowBinary; null: behind its length. */
const widths: Readonly<Record<string, number | null>> = {
  String: null,
  Float64: 8,
  Float32: 4,
  UInt8: 1,
  UInt16: 2,
  UInt32: 4,
  Int32: 4,
  Int64: 8,
  UInt64: 8,
  Int128: 16,
  "DateTime64(3, 'UTC')": 8,
};

/** Types of offline columns that are nullable. */
const nullable = ["String", "Float64", "UInt8", "Int64", "Int128", "DateTime64(3, 'UTC')"];

/** The column that takes a value of ClickHouse's as it is, or else as text. */
export function keyColumn({ name, type }: { readonly name: string; readonly type: string }) {
  const inner = /^Nullable\((.*)\)$/.exec(type)?.[1] ?? null;
  const isKnown = inner === null ? type in widths : nullable.includes(inner);
  const asText = type.includes("Nullable(") ? "Nullable(String)" : "String";
  return { name, type: (isKnown ? type : asText) as OfflineColumn["type"] };
}

/** Rows of a query as RowBinary: columns that go along, then features as doubles. */
export class ScoredRows {
  readonly #widths: readonly { readonly width: number | null; readonly nullable: boolean }[];
  readonly #features: number;
  readonly #chunks: Buffer[] = [];
  #bytes: Buffer | null = null;
  #starts: readonly number[] = [];

  /** @param features - how many. */
  constructor(keys: readonly Pick<OfflineColumn, "type">[], features: number) {
    this.#widths = keys.map(({ type }) => {
      const inner = /^Nullable\((.*)\)$/.exec(type)?.[1];
      return { width: widths[inner ?? type] ?? null, nullable: inner !== undefined };
    });
    this.#features = features;
  }

  /** Takes the next bytes, wherever they are cut. */
  add(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk));
  }

  get count(): number {
    this.#read();
    return this.#starts.length;
  }

  vectors(): Float64Array {
    const bytes = this.#read();
    const vectors = new Float64Array(this.#starts.length * this.#features);
    for (const [row, start] of this.#starts.entries()) {
      const at = this.#keysEnd(bytes, start);
      for (let i = 0; i < this.#features; i++) {
        vectors[row * this.#features + i] = bytes.readDoubleLE(at + i * 8);
      }
    }
    return vectors;
  }

  /** The columns of a row that go along, as they came. */
  copyKeys(row: number, writer: ByteWriter): void {
    const bytes = this.#read();
    const start = this.#starts[row] as number;
    writer.raw(bytes, start, this.#keysEnd(bytes, start));
  }

  #read(): Buffer {
    if (this.#bytes !== null) return this.#bytes;
    const bytes = Buffer.concat(this.#chunks);
    const starts: number[] = [];
    for (let at = 0; at < bytes.length; at = this.#keysEnd(bytes, at) + this.#features * 8) {
      starts.push(at);
    }
    this.#bytes = bytes;
    this.#starts = starts;
    return bytes;
  }

  #keysEnd(bytes: Buffer, start: number): number {
    let at = start;
    for (const { width, nullable: mayBeNull } of this.#widths) {
      if (mayBeNull && bytes[at++] === 1) continue;
      if (width !== null) {
        at += width;
        continue;
      }
      let length = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] as number;
        length += (byte & 127) * 2 ** shift;
        if (byte < 128) break;
      }
      at += length;
    }
    return at;
  }
}
