import type { AvroType } from "./avro-types.ts";
import { defaultValue } from "./defaults.ts";
import { decimalDigits } from "./logical.ts";

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const int32 = 2 ** 31;

/** A decoded integer that Avro's long can hold. */
export function isLong(value: unknown): value is number | bigint {
  if (typeof value === "bigint") return value >= int64.min && value <= int64.max;
  return Number.isSafeInteger(value);
}

export function isInt(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= -int32 && (value as number) < int32;
}

/** Whether a decoded value can be written as a type. */
export function fits(type: AvroType, value: unknown): boolean {
  return mismatches(type, value, "").next().done === true;
}

/** What of a decoded value does not fit a type, each with its path, in words. */
export function* mismatches(type: AvroType, value: unknown, path: string): Generator<string> {
  switch (type.kind) {
    case "array":
      if (!Array.isArray(value)) break;
      for (const [i, item] of value.entries()) {
        yield* mismatches(type.items, item, inside(path, String(i)));
      }
      return;
    case "map":
      if (!isObject(value)) break;
      for (const [key, item] of Object.entries(value)) {
        yield* mismatches(type.values, item, inside(path, key));
      }
      return;
    case "record":
      if (!isObject(value)) break;
      for (const field of type.fields) {
        const given = value[field.name] ?? null;
        if (value[field.name] === undefined) {
          if (defaultValue(field.type, field.defaultValue) !== undefined) continue;
          yield `${inside(path, field.name)} is missing`;
        } else yield* mismatches(field.type, given, inside(path, field.name));
      }
      return;
    case "union":
      if (type.branches.some((branch) => fits(branch, value))) return;
      break;
    default:
      if (fitsScalar(type, value)) return;
  }
  yield `${path === "" ? "it" : path} is ${described(value)}, not ${expected(type)}`;
}

type Container = "array" | "map" | "record" | "union";

function fitsScalar(type: Exclude<AvroType, { kind: Container }>, value: unknown): boolean {
  switch (type.kind) {
    case "null":
      return value === null;
    case "boolean":
      return typeof value === "boolean";
    case "int":
      return type.logical?.kind === "date" ? Number.isSafeInteger(value) : isInt(value);
    case "long":
      return isLong(value);
    case "float":
    case "double":
      return typeof value === "number" || typeof value === "bigint";
    case "string":
      return typeof value === "string";
    case "enum":
      return typeof value === "string" && type.symbols.includes(value);
    case "bytes":
    case "fixed":
      return fitsBytes(type, value);
  }
}

function fitsBytes(type: AvroType & { kind: "bytes" | "fixed" }, value: unknown): boolean {
  const { logical } = type;
  const size = type.kind === "fixed" ? type.size : null;
  if (logical?.kind === "decimal") {
    const digits = typeof value === "number" ? decimalDigits(value, logical.scale) : null;
    return digits !== null && (size === null || digits.length <= size);
  }
  if (logical?.kind === "uuid") return typeof value === "string" && uuid.test(value);
  return value instanceof Uint8Array && (size === null || value.length === size);
}

const uuid = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function inside(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function expected(type: AvroType): string {
  if (type.kind === "union") return type.branches.map(expected).join(" or ");
  return "logical" in type && type.logical !== null ? type.logical.kind : type.kind;
}

function described(value: unknown): string {
  if (value === undefined) return "missing";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
