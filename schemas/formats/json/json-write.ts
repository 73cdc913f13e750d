import { fieldOf } from "../field-at.ts";
import type { FieldSpecs, TimestampUnit, TypeSpec } from "../types.ts";

/** What four digits can say of a year. */
const [firstMs, lastMs] = [Date.parse("0000-01-01T00:00Z"), Date.parse("9999-12-31T23:59:59.999Z")];

/**
 * A record of declared fields as JSON: timestamps from UTC ms in their unit, bigints as digits.
 *
 * @throws {Error} naming the field that does not fit.
 */
export function jsonText(fields: FieldSpecs, record: object, prefix = ""): string {
  const members: string[] = [];
  for (const [name, spec] of Object.entries(fields)) {
    const value = fieldOf(record, name) ?? null;
    const path = `${prefix}${name}`;
    if (value === null && spec.nullable !== true) throw new Error(`${path} is missing`);
    members.push(`${JSON.stringify(name)}:${valueText(spec, value, path)}`);
  }
  return `{${members.join(",")}}`;
}

function valueText(spec: TypeSpec, value: unknown, path: string): string {
  if (value === null) return "null";
  switch (spec.type) {
    case "text":
      if (typeof value === "string") return JSON.stringify(value);
      break;
    case "enumeration":
      if (typeof value === "string" && spec.symbols.includes(value)) return JSON.stringify(value);
      break;
    case "boolean":
      if (typeof value === "boolean") return String(value);
      break;
    case "number":
    case "decimal":
      if (Object.is(value, -0)) return "-0";
      if (typeof value === "number" && Number.isFinite(value)) return String(value);
      break;
    case "integer":
      if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
      break;
    case "timestamp":
      if (typeof value === "bigint" || Number.isSafeInteger(value)) {
        return timestampText(spec.unit, value as number | bigint, path);
      }
      break;
    case "list":
      if (Array.isArray(value)) {
        const items: unknown[] = value;
        return `[${items.map((item, i) => valueText(spec.of, item ?? undefined, `${path}[${i}]`))}]`;
      }
      break;
    case "record":
      if (typeof value === "object") return jsonText(spec.fields, value, `${path}.`);
  }
  throw new Error(`${path} is ${String(value)}, not ${spec.type}`);
}

function timestampText(unit: TimestampUnit, ms: number | bigint, path: string): string {
  switch (unit) {
    case "iso":
      if (ms < firstMs || ms > lastMs) {
        throw new Error(`${path} is ${ms}, not in the years 0 to 9999`);
      }
      return JSON.stringify(new Date(Number(ms)).toISOString());
    case "s":
      // Up to 15 digits a double has them all.
      return ms > -1e15 && ms < 1e15 ? String(Number(ms) / 1_000) : `${ms}e-3`;
    case "ms":
      return String(ms);
    case "us":
      return String(BigInt(ms) * 1_000n);
    case "ns":
      return String(BigInt(ms) * 1_000_000n);
  }
}
