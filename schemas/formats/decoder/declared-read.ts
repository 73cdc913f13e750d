import { msOf } from "../../source-time.ts";
import { fieldOf } from "../field-at.ts";
import type { ReadRecord } from "../format.ts";
import type { FieldSpecs, TypeSpec } from "../types.ts";

type Out = Record<string, unknown>;

/** Puts a value that is not null into the record. */
type Put = (value: unknown, out: Out) => void;

/**
 * What a decoder gives, as a record of the declared fields by their paths.
 *
 * @throws {Error} for a timestamp as ISO text, which a decoder can make a number, and for a list of
 * records.
 */
export function declaredRead(
  fields: FieldSpecs,
  decode: (bytes: Uint8Array) => unknown,
): ReadRecord {
  const put = recordPut(fields, "");
  return (buffer, start, end) => {
    const given = decode(buffer.subarray(start, end));
    if (typeof given === "string") throw new Error(given);
    if (typeof given !== "object" || given === null) throw new Error("its decoder gives no record");
    if ("then" in given) throw new Error("its decoder gives a promise: it has to be synchronous");
    const out: Out = {};
    put(given, out);
    return out;
  };
}

function recordPut(fields: FieldSpecs, prefix: string): Put {
  const puts = Object.entries(fields).map(([name, spec]) => {
    const path = `${prefix}${name}`;
    const put = spec.type === "record" ? recordPut(spec.fields, `${path}.`) : valuePut(spec, path);
    const setNull = nullOf(spec, path);
    return { name, put, setNull, isNullable: spec.nullable === true, path };
  });
  return (value, out) => {
    if (typeof value !== "object" || value === null)
      throw new Error(`field "${prefix.slice(0, -1)}" is no record`);
    for (const { name, put, setNull, isNullable, path } of puts) {
      const each = fieldOf(value, name) ?? null;
      if (each !== null) put(each, out);
      else if (isNullable) setNull(out);
      else throw new Error(`field "${path}" is missing`);
    }
  };
}

function nullOf(spec: TypeSpec, path: string): (out: Out) => void {
  if (spec.type !== "record") {
    return (out) => {
      out[path] = null;
    };
  }
  const all = Object.entries(spec.fields).map(([name, each]) => nullOf(each, `${path}.${name}`));
  return (out) => {
    for (const each of all) each(out);
  };
}

function valuePut(spec: TypeSpec, path: string): Put {
  const taking = checked(spec);
  return (value, out) => {
    const taken = taking(value);
    if (taken === undefined)
      throw new Error(`field "${path}" is ${shown(value)}, not ${spec.type}`);
    out[path] = taken;
  };
}

/** What is taken of a value; undefined where it is of another type. */
function checked(spec: TypeSpec): (value: unknown) => unknown {
  switch (spec.type) {
    case "text":
      return (value) => (typeof value === "string" ? value : undefined);
    case "enumeration": {
      const symbols = new Set<unknown>(spec.symbols);
      return (value) => (symbols.has(value) ? value : undefined);
    }
    case "boolean":
      return (value) => (typeof value === "boolean" ? value : undefined);
    case "number":
      return (value) => (typeof value === "number" ? value : undefined);
    case "decimal":
      return (value) => (Number.isFinite(value) ? value : undefined);
    case "integer":
      return whole;
    case "timestamp": {
      const { unit } = spec;
      if (unit === "iso") {
        throw new Error('a decoder gives instants as numbers: types.timestamp("ms")');
      }
      return (value) => {
        const isInstant = typeof value === "bigint" || Number.isFinite(value);
        const ms = isInstant ? whole(msOf(value, unit)) : undefined;
        return typeof ms === "bigint" && BigInt.asIntN(64, ms) !== ms ? undefined : ms;
      };
    }
    case "list": {
      const item = checked(spec.of);
      return (value) => {
        if (!Array.isArray(value)) return undefined;
        const items = value.map(item);
        return items.includes(undefined) ? undefined : items;
      };
    }
    case "record":
      throw new Error("a list has records in it");
  }
}

/** A whole number of 64 bits, as a number where a double is exact. */
function whole(value: unknown): number | bigint | undefined {
  if (typeof value !== "bigint") return Number.isSafeInteger(value) ? (value as number) : undefined;
  if (BigInt.asIntN(64, value) !== value && BigInt.asUintN(64, value) !== value) return undefined;
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}

function shown(value: unknown): string {
  // Not every object can be made a text.
  if (typeof value === "object" || typeof value === "function") return `of type ${typeof value}`;
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  if (typeof value === "bigint") return `the bigint ${text}`;
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
