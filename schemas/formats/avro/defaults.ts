import { exact } from "./avro-input.ts";
import type { AvroType } from "./avro-types.ts";
import { dateMs, decimalNumber, timestampMs, uuidText } from "./logical.ts";
import { setOwn } from "./own-property.ts";

const maxDepth = 100;

/**
 * The decoded value of a default as a schema's JSON has it; undefined where it does not fit the
 * type. That of a union is of the first branch that it fits.
 */
export function defaultValue(type: AvroType, json: unknown, depth = 0): unknown {
  // Of a record within itself whose default is a record there is no end.
  if (depth > maxDepth) return undefined;
  switch (type.kind) {
    case "null":
      return json === null ? null : undefined;
    case "boolean":
      return typeof json === "boolean" ? json : undefined;
    case "int":
    case "long":
      return wholeDefault(type, json);
    case "float":
    case "double":
      return typeof json === "number" ? json : undefined;
    case "string":
      return typeof json === "string" ? json : undefined;
    case "bytes":
    case "fixed":
      return bytesDefault(type, json);
    case "enum":
      return typeof json === "string" && type.symbols.includes(json) ? json : undefined;
    case "union":
      return firstDefault(type.branches, json, depth);
    case "array":
      return arrayDefault(type.items, json, depth);
    case "map":
      return objectDefault(json, Object.keys(json ?? {}), () => ({ type: type.values }), depth);
    case "record": {
      const fields = new Map(type.fields.map((field) => [field.name, field]));
      return objectDefault(json, [...fields.keys()], (name) => fields.get(name), depth);
    }
  }
}

function wholeDefault(type: AvroType & { kind: "int" | "long" }, json: unknown): unknown {
  const whole = typeof json === "bigint" ? exact(json) : json;
  if (typeof whole !== "bigint" && !Number.isInteger(whole)) return undefined;
  const value = whole as number | bigint;
  if (type.logical?.kind === "timestamp") return timestampMs(value, type.logical.perMs);
  return type.logical?.kind === "date" ? dateMs(Number(value)) : value;
}

/** Bytes stand in JSON as text, a character a byte. */
function bytesDefault(type: AvroType & { kind: "bytes" | "fixed" }, json: unknown): unknown {
  if (typeof json !== "string") return undefined;
  const bytes = Buffer.from(json, "latin1");
  if (type.kind === "fixed" && bytes.length !== type.size) return undefined;
  if (type.logical?.kind === "decimal") return decimalNumber(bytes, type.logical.scale);
  return type.logical?.kind === "uuid" ? uuidText(bytes) : bytes;
}

function firstDefault(branches: readonly AvroType[], json: unknown, depth: number): unknown {
  for (const branch of branches) {
    const value = defaultValue(branch, json, depth + 1);
    if (value !== undefined) return value;
  }
  return undefined;
}

function arrayDefault(items: AvroType, json: unknown, depth: number): unknown {
  if (!Array.isArray(json)) return undefined;
  const values = json.map((item) => defaultValue(items, item, depth + 1));
  return values.includes(undefined) ? undefined : values;
}

function objectDefault(
  json: unknown,
  names: readonly string[],
  typeOf: (
    name: string,
  ) => { readonly type: AvroType; readonly defaultValue?: unknown } | undefined,
  depth: number,
): unknown {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  const out = {};
  for (const name of names) {
    const part = typeOf(name);
    const given = Object.hasOwn(json, name)
      ? (json as Readonly<Record<string, unknown>>)[name]
      : part?.defaultValue;
    const value = part === undefined ? undefined : defaultValue(part.type, given, depth + 1);
    if (value === undefined) return undefined;
    setOwn(out, name, value);
  }
  return out;
}
