import type { ByteWriter } from "../../bytes.ts";
import { fieldOf } from "../field-at.ts";
import type { AvroRecord, AvroType, AvroUnion } from "./avro-types.ts";
import { defaultValue } from "./defaults.ts";
import { daysOf, decimalDigits, timestampIn, uuidBytes } from "./logical.ts";
import { fits, isInt, isLong } from "./mismatch.ts";

/** Appends one decoded value. @throws {AvroMisfit} when it does not fit; some may be appended. */
export type Write = (value: unknown, writer: ByteWriter) => void;

/** A value does not fit its type; `mismatches` says where. */
export class AvroMisfit extends Error {}

/** How decoded values of types are written: the inverse of reading, exact for every integer. */
export class Writes {
  readonly #known = new Map<AvroType, Write>();

  of(type: AvroType): Write {
    const known = this.#known.get(type);
    if (known !== undefined) return known;
    // A type that holds itself finds this one, which by then knows what to do.
    let make: Write | null = null;
    this.#known.set(type, (value, writer) => make?.(value, writer));
    make = this.#make(type);
    this.#known.set(type, make);
    return make;
  }

  #make(type: AvroType): Write {
    switch (type.kind) {
      case "record":
        return this.#record(type);
      case "union":
        return this.#union(type);
      case "array":
        return this.#array(type.items);
      case "map":
        return this.#map(type.values);
      case "enum": {
        const indexes = new Map<unknown, number>(type.symbols.map((symbol, i) => [symbol, i]));
        return (value, writer) => writeLong(writer, indexes.get(value) ?? misfit());
      }
      case "bytes":
      case "fixed":
        return bytesWrite(type);
      default:
        return scalarWrite(type);
    }
  }

  #record({ fields }: AvroRecord): Write {
    const parts = fields.map(({ name, type, defaultValue: json }) => ({
      name,
      write: this.of(type),
      otherwise: defaultValue(type, json),
    }));
    return (value, writer) => {
      if (typeof value !== "object" || value === null) misfit();
      for (let i = 0; i < parts.length; i++) {
        const part = parts[i] as (typeof parts)[number];
        const given = fieldOf(value, part.name);
        part.write(given === undefined ? part.otherwise : given, writer);
      }
    };
  }

  #union({ branches }: AvroUnion): Write {
    const writes = branches.map((branch) => this.of(branch));
    const nullAt = branches.findIndex(({ kind }) => kind === "null");
    const only = branches.length === 2 && nullAt >= 0 ? 1 - nullAt : null;
    return (value, writer) => {
      let index = value === null ? nullAt : only;
      index ??= branches.findIndex((branch) => fits(branch, value));
      if (index < 0) misfit();
      writeLong(writer, index);
      (writes[index] as Write)(value, writer);
    };
  }

  #array(items: AvroType): Write {
    const write = this.of(items);
    return (value, writer) => {
      if (!Array.isArray(value)) misfit();
      const list = value as readonly unknown[];
      if (list.length > 0) {
        writeLong(writer, list.length);
        for (const item of list) write(item, writer);
      }
      writer.u8(0);
    };
  }

  #map(values: AvroType): Write {
    const write = this.of(values);
    return (value, writer) => {
      if (typeof value !== "object" || value === null) misfit();
      const entries = Object.entries(value as object);
      if (entries.length > 0) {
        writeLong(writer, entries.length);
        for (const [key, item] of entries) {
          writeText(writer, key);
          write(item, writer);
        }
      }
      writer.u8(0);
    };
  }
}

type Scalar = Exclude<
  AvroType,
  { kind: "array" | "map" | "record" | "union" | "enum" | "bytes" | "fixed" }
>;

function scalarWrite(type: Scalar): Write {
  switch (type.kind) {
    case "null":
      return (value) => (value === null ? undefined : misfit());
    case "boolean":
      return (value, writer) => (typeof value === "boolean" ? writer.u8(value ? 1 : 0) : misfit());
    case "int":
      return type.logical?.kind === "date"
        ? (value, writer) => writeLong(writer, daysOf(isLong(value) ? Number(value) : misfit()))
        : (value, writer) => writeLong(writer, isInt(value) ? value : misfit());
    case "long": {
      const perMs = type.logical?.kind === "timestamp" ? type.logical.perMs : 1;
      if (perMs === 1)
        return (value, writer) => writeLong(writer, isLong(value) ? value : misfit());
      return (value, writer) => {
        const scaled = timestampIn(isLong(value) ? value : misfit(), perMs);
        writeLong(writer, isLong(scaled) ? scaled : misfit());
      };
    }
    case "float":
      return (value, writer) => {
        const at = writer.reserve(4);
        writer.buffer.writeFloatLE(numberOf(value), at);
      };
    case "double":
      return (value, writer) => writer.f64(numberOf(value));
    default:
      return (value, writer) => (typeof value === "string" ? writeText(writer, value) : misfit());
  }
}

function bytesWrite(type: AvroType & { kind: "bytes" | "fixed" }): Write {
  const { logical } = type;
  const size = type.kind === "fixed" ? type.size : null;
  return (value, writer) => {
    if (!fits(type, value)) misfit();
    let bytes = value as Uint8Array;
    if (logical?.kind === "uuid") bytes = uuidBytes(value as string);
    if (logical?.kind === "decimal") {
      const digits = decimalDigits(value as number, logical.scale) as Buffer;
      const sign = ((digits[0] as number) & 0x80) === 0 ? 0 : 0xff;
      bytes = Buffer.concat([Buffer.alloc((size ?? digits.length) - digits.length, sign), digits]);
    }
    if (size === null) writeLong(writer, bytes.length);
    writer.raw(bytes, 0, bytes.length);
  };
}

/** Characters of a text that are written here; longer ones are cheaper to hand to Node. */
const shortText = 32;

function writeText(writer: ByteWriter, text: string): void {
  const { length } = text;
  if (length <= shortText) {
    const start = writer.reserve(length + 1);
    const { buffer } = writer;
    let at = start;
    buffer[at++] = length << 1;
    for (; at <= start + length; at++) {
      const code = text.charCodeAt(at - start - 1);
      if (code >= 0x80) break;
      buffer[at] = code;
    }
    if (at > start + length) return;
    writer.position = start;
  }
  const bytes = Buffer.byteLength(text);
  writeLong(writer, bytes);
  const at = writer.reserve(bytes);
  writer.buffer.write(text, at, "utf8");
}

function writeLong(writer: ByteWriter, value: number | bigint): void {
  const start = writer.reserve(10);
  const { buffer } = writer;
  let at = start;
  if (typeof value === "bigint") {
    let zigzag = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    for (; zigzag >= 0x80n; zigzag >>= 7n) buffer[at++] = Number(zigzag & 0x7fn) | 0x80;
    buffer[at++] = Number(zigzag);
  } else if (value === (value | 0)) {
    let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
    for (; zigzag >= 0x80; zigzag >>>= 7) buffer[at++] = (zigzag & 0x7f) | 0x80;
    buffer[at++] = zigzag;
  } else {
    const sign = value < 0 ? 1 : 0;
    const rest = value < 0 ? -(value + 1) : value;
    const half = rest >>> 0;
    let low = ((half << 1) | sign) >>> 0;
    let high = (((rest - half) / 0x1_0000_0000) << 1) | (half >>> 31);
    for (; high !== 0 || low >= 0x80; high >>>= 7) {
      buffer[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
    }
    buffer[at++] = low;
  }
  writer.position = at;
}

function numberOf(value: unknown): number {
  if (typeof value === "number") return value;
  return typeof value === "bigint" ? Number(value) : misfit();
}

function misfit(): never {
  throw new AvroMisfit();
}
