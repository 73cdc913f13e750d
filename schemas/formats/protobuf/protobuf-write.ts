import { ByteWriter } from "../../bytes.ts";
import { decimalDigits } from "../avro/logical.ts";
import { fieldOf } from "../field-at.ts";
import { type ProtoType, type Scalar, typeName, wireClassOf } from "./proto-types.ts";
import type { ProtoTarget } from "./protobuf-layout.ts";
import { wireTypeOf } from "./value-read.ts";
import { wireTypes } from "./wire-input.ts";

/**
 * Appends a message: fields that are null or undefined are left out, timestamps come as UTC ms,
 * `bytes` as base64, decimals as numbers.
 *
 * @throws {Error} naming the field that does not fit.
 */
export function writeMessage(
  { messages, message, required = [] }: ProtoTarget,
  record: object,
  into: ByteWriter,
  prefix = "",
): void {
  for (const field of messages[message] ?? []) {
    const path = `${prefix}${field.name}`;
    const value = fieldOf(record, field.name) ?? null;
    if (value === null) {
      const isNeeded = field.presence === "required" || required.includes(path);
      if (isNeeded) throw new Error(`${path} is missing`);
      continue;
    }
    const { type, number } = field;
    if (type.kind === "message") {
      if (typeof value !== "object") throw new Error(`${path} is ${String(value)}, not a message`);
      const inner = new ByteWriter(256);
      writeMessage({ messages, message: type.name, required }, value, inner, `${path}.`);
      writeTag(into, number, wireTypes.bytes);
      writeBytes(into, inner.take());
      continue;
    }
    const values: unknown = field.presence === "repeated" ? value : [value];
    if (!Array.isArray(values)) throw new Error(`${path} is ${String(value)}, not a list`);
    for (const each of values as readonly unknown[]) {
      writeTag(into, number, wireTypeOf(type));
      try {
        writeValue(into, type, each);
      } catch (cause) {
        throw new Error(`${path} is ${String(each)}, not ${typeName(type)}`, { cause });
      }
    }
  }
}

function writeTag(into: ByteWriter, number: number, wire: number): void {
  writeVarint(into, BigInt(number * 8 + wire));
}

/** @throws {Error} for a value that does not fit. */
function writeValue(into: ByteWriter, type: ProtoType, value: unknown): void {
  switch (type.kind) {
    case "enum": {
      const number = Object.hasOwn(type.values, String(value)) ? type.values[String(value)] : null;
      if (number === null || number === undefined) throw new Error("no such value");
      writeVarint(into, BigInt(number));
      return;
    }
    case "timestamp": {
      const ms = Number(value);
      if (!Number.isSafeInteger(value)) throw new Error("no timestamp");
      const seconds = Math.floor(ms / 1_000);
      const nanos = (ms - seconds * 1_000) * 1_000_000;
      const inner = new ByteWriter(16);
      writeTag(inner, 1, wireTypes.varint);
      writeVarint(inner, BigInt(seconds));
      writeTag(inner, 2, wireTypes.varint);
      writeVarint(inner, BigInt(nanos));
      writeBytes(into, inner.take());
      return;
    }
    case "decimal": {
      const scale = places(value);
      const digits = decimalDigits(value as number, scale);
      if (digits === null) throw new Error("no decimal");
      const inner = new ByteWriter(32);
      writeTag(inner, 1, wireTypes.bytes);
      writeBytes(inner, digits);
      writeTag(inner, 3, wireTypes.varint);
      writeVarint(inner, BigInt(scale));
      writeBytes(into, inner.take());
      return;
    }
    case "wrapper": {
      const inner = new ByteWriter(32);
      const of: ProtoType = { kind: "scalar", name: type.of };
      writeTag(inner, 1, wireTypeOf(of));
      writeScalar(inner, type.of, value);
      writeBytes(into, inner.take());
      return;
    }
    case "scalar":
      writeScalar(into, type.name, value);
      return;
    case "message":
      throw new Error("a message is no value");
  }
}

/** Of the shortest text of a number: how many digits stand behind its point. */
function places(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Error("no decimal");
  const [, behind = "", power = "0"] = /(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value)) ?? [];
  return Math.max(0, behind.length - Number(power));
}

function writeScalar(into: ByteWriter, name: Scalar, value: unknown): void {
  switch (wireClassOf({ kind: "scalar", name })) {
    case "bytes": {
      if (typeof value !== "string") throw new Error("no text");
      writeBytes(into, Buffer.from(value, name === "bytes" ? "base64" : "utf8"));
      return;
    }
    case "float":
    case "double": {
      if (typeof value !== "number") throw new Error("no number");
      const at = into.reserve(name === "float" ? 4 : 8);
      if (name === "float") into.buffer.writeFloatLE(value, at);
      else into.buffer.writeDoubleLE(value, at);
      return;
    }
    case "fixed32":
    case "fixed64": {
      const bits = name.endsWith("64") ? 64 : 32;
      const whole = wholeIn(value, bits, name.startsWith("s"));
      const at = into.reserve(bits / 8);
      if (bits === 32) into.buffer.writeUInt32LE(Number(BigInt.asUintN(32, whole)), at);
      else into.buffer.writeBigUInt64LE(BigInt.asUintN(64, whole), at);
      return;
    }
    case "zigzag": {
      const whole = wholeIn(value, name === "sint64" ? 64 : 32, true);
      writeVarint(into, whole < 0n ? -2n * whole - 1n : 2n * whole);
      return;
    }
    default: {
      if (name === "bool") {
        if (typeof value !== "boolean") throw new Error("no boolean");
        writeVarint(into, value ? 1n : 0n);
        return;
      }
      const bits = name.endsWith("64") ? 64 : 32;
      writeVarint(into, wholeIn(value, bits, !name.startsWith("u")));
    }
  }
}

function wholeIn(value: unknown, bits: number, isSigned: boolean): bigint {
  const whole =
    typeof value === "bigint"
      ? value
      : Number.isSafeInteger(value)
        ? BigInt(value as number)
        : null;
  if (whole === null) throw new Error("no whole number");
  const fits = isSigned ? BigInt.asIntN(bits, whole) : BigInt.asUintN(bits, whole);
  if (fits !== whole) throw new Error(`beyond ${bits} bits`);
  return whole;
}

function writeBytes(into: ByteWriter, bytes: Buffer): void {
  writeVarint(into, BigInt(bytes.length));
  into.raw(bytes, 0, bytes.length);
}

function writeVarint(into: ByteWriter, value: bigint): void {
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 0x80n; rest >>= 7n) into.u8(Number(rest & 0x7fn) | 0x80);
  into.u8(Number(rest));
}
