import type { ByteWriter } from "../../schemas/bytes.ts";
import { int64, int128, numbersByText, string, stringBytes } from "../../sinks/row-binary.ts";
import type { OfflineColumn } from "../../sinks/store.ts";
import { utc } from "./plumbing.ts";

/** Appends a value of a record as a column has it. */
export type WriteColumn = (writer: ByteWriter, value: unknown) => void;

/** A list or a record as JSON; bytes as base64, and as text what is beyond a double. */
function jsonText(value: object): string {
  const plain = (each: unknown): unknown => {
    if (each instanceof Uint8Array) return Buffer.from(each).toString("base64");
    if (typeof each === "bigint") return String(each);
    if (Array.isArray(each)) return each.map(plain);
    if (typeof each !== "object" || each === null) return each;
    return Object.fromEntries(Object.entries(each).map(([name, part]) => [name, plain(part)]));
  };
  return JSON.stringify(plain(value));
}

/** Of records that hold a text and a number each; of null none. */
function entriesOf(records: unknown): [string, number][] {
  return ((records ?? []) as readonly object[]).map((record) => {
    const [text, number] = Object.values(record) as [unknown, unknown];
    return [String(text), Number(number)];
  });
}

/** How a type of column is written; null, undefined and NaN as NULL where it may be. */
export function writerOf(type: OfflineColumn["type"]): WriteColumn {
  const nullable = /^Nullable\((.*)\)$/.exec(type);
  if (nullable !== null) {
    const inner = plainWriter(nullable[1] as string);
    return (writer, value) => {
      if (value === null || value === undefined || Number.isNaN(value)) writer.u8(1);
      else {
        writer.u8(0);
        inner(writer, value);
      }
    };
  }
  return plainWriter(type);
}

function plainWriter(type: string): WriteColumn {
  switch (type) {
    case "String":
    case "LowCardinality(String)":
      return (writer, value) => {
        if (value instanceof Uint8Array) stringBytes(writer, value);
        else if (typeof value === "object" && value !== null) string(writer, jsonText(value));
        else string(writer, value === undefined || value === null ? "" : String(value));
      };
    case "Float64":
      return (writer, value) => writer.f64(Number(value));
    case "UInt8":
      return (writer, value) => writer.u8(Number(value));
    case "UInt16":
      return (writer, value) => writer.u16(Number(value));
    case "UInt32":
      return (writer, value) => writer.u32(Number(value));
    case "Int32":
      return (writer, value) => writer.u32(Number(value) >>> 0);
    case "Int128":
      return (writer, value) => int128(writer, value as number | bigint);
    case "Map(LowCardinality(String), Float64)":
      return (writer, value) => numbersByText(writer, entriesOf(value));
    case "Int64":
    case "UInt64":
    case utc:
      return (writer, value) => int64(writer, typeof value === "bigint" ? value : Number(value));
    default:
      throw new RangeError(`no RowBinary writer for ${type}`);
  }
}
