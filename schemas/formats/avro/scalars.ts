import type { AvroInput } from "./avro-input.ts";
import { type AvroType, type Logical, shortName } from "./avro-types.ts";
import { dateMs, decimalNumber, timestampMs, uuidText } from "./logical.ts";

type Read = (input: AvroInput) => unknown;

/**
 * How a scalar of a writer's type is read as one of a reader's; null where it cannot be. The
 * unit of a time and the places of a decimal are the writer's where it tells them.
 */
export function scalarRead(writer: AvroType, reader: AvroType): Read | null {
  if (writer.kind === "fixed") {
    if (reader.kind !== "fixed" || reader.size !== writer.size) return null;
    if (shortName(writer.name) !== shortName(reader.name)) {
      const alias = reader.aliases.some((each) => shortName(each) === shortName(writer.name));
      if (!alias) return null;
    }
    return fixedRead(writer.size, writer.logical ?? reader.logical, reader.logical);
  }
  switch (reader.kind) {
    case "null":
      return writer.kind === "null" ? () => null : null;
    case "boolean":
      return writer.kind === "boolean" ? (input) => input.boolean() : null;
    case "int":
      if (writer.kind !== "int") return null;
      if (reader.logical?.kind === "date") return (input) => dateMs(input.int());
      return (input) => input.int();
    case "long":
      if (writer.kind !== "int" && writer.kind !== "long") return null;
      return longRead(writer.logical, reader.logical);
    case "float":
      return floatRead(writer);
    case "double":
      return doubleRead(writer);
    case "bytes": {
      if (writer.kind !== "bytes" && writer.kind !== "string") return null;
      const decimal = reader.logical === null ? null : (writer.logical ?? reader.logical);
      if (decimal?.kind !== "decimal") return (input) => input.bytes();
      return (input) => decimalNumber(input.bytes(), decimal.scale);
    }
    case "string":
      if (writer.kind !== "bytes" && writer.kind !== "string") return null;
      return (input) => input.text();
    default:
      return null;
  }
}

function longRead(writer: Logical | null, reader: Logical | null): Read {
  if (reader?.kind !== "timestamp") return (input) => input.long();
  if (writer?.kind === "date") return (input) => dateMs(input.int());
  const { perMs } = writer?.kind === "timestamp" ? writer : reader;
  if (perMs === 1) return (input) => input.long();
  return (input) => timestampMs(input.long(), perMs);
}

function floatRead({ kind }: AvroType): Read | null {
  if (kind === "float") return (input) => input.float();
  if (kind !== "int" && kind !== "long") return null;
  return (input) => Math.fround(Number(input.long()));
}

function doubleRead({ kind }: AvroType): Read | null {
  if (kind === "double") return (input) => input.double();
  if (kind === "float") return (input) => input.float();
  if (kind !== "int" && kind !== "long") return null;
  return (input) => Number(input.long());
}

function fixedRead(size: number, written: Logical | null, wanted: Logical | null): Read {
  if (wanted?.kind === "uuid") return (input) => uuidText(input.bytes(size));
  if (wanted?.kind !== "decimal" || written?.kind !== "decimal") {
    return (input) => input.bytes(size);
  }
  const { scale } = written;
  return (input) => decimalNumber(input.bytes(size), scale);
}
