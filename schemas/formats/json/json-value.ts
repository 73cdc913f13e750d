import type { RowField, ScalarType } from "../../row-layout.ts";
import type { ValueShape } from "../format.ts";
import { fail, JsonValueError } from "./json-input.ts";
import { decimalText, integer, isoMs, timestampMs } from "./json-numbers.ts";

/** A number as JSON has it, in quotes: of a timestamp ms, and else date and time. */
const numeric = /^-?\d/;
const dated = /^\d{4}-/;

/**
 * Reads a parsed value of JSON that is not null as the source's reader would read its text; an
 * instant comes as UTC ms or by ISO 8601, whatever the unit of its field.
 *
 * @param shape - what the layout does not say.
 * @returns what the field then holds.
 * @throws {JsonValueError} naming the place, what stands there and what should.
 */
export function jsonValue(
  { type, unsigned }: Pick<RowField, "type" | "unsigned">,
  shape: ValueShape | undefined,
): (value: unknown, path: string) => unknown {
  const isList = typeof type === "object";
  const scalar = isList ? type.list : type;
  const wanted = wantedOf(scalar, shape);
  const read = (value: unknown, path: string) => {
    try {
      return scalarOf(value, scalar, shape, unsigned === true);
    } catch (error) {
      if (!(error instanceof JsonValueError)) throw error;
      const why = error.message === "" ? "" : ` (${error.message})`;
      return fail(`${path} is ${shown(value)}, not ${wanted}${why}`);
    }
  };
  if (!isList) return read;
  return (value, path) => {
    if (!Array.isArray(value)) {
      fail(`${path} is ${shown(value)}, not a list, each ${wanted}`);
    }
    return value.map((item: unknown, i) => read(item, `${path}[${i}]`));
  };
}

/** Of a value what a message shows: texts in quotes. */
export function shown(value: unknown): string {
  const text = JSON.stringify(typeof value === "string" ? value.slice(0, 61) : value) ?? "nothing";
  return text.length > 62 ? `${text.slice(0, 61)}…` : text;
}

function scalarOf(
  value: unknown,
  type: ScalarType,
  shape: ValueShape | undefined,
  isUnsigned: boolean,
): unknown {
  switch (type) {
    case "text":
      if (typeof value !== "string") return fail("");
      // A half of a pair has no UTF-8: two such texts would become one key.
      if (/\p{Surrogate}/u.test(value)) return fail("it has half of a surrogate pair in it");
      if (typeof shape === "object" && !shape.symbols.includes(value)) return fail("");
      return value;
    case "boolean":
      return typeof value === "boolean" ? value : fail("");
    case "number":
      if (shape === "decimal" && typeof value === "string") return decimalText(value);
      return typeof value === "number" && Number.isFinite(value) ? value : fail("");
    case "integer":
      if (typeof value === "string") return integer(value, isUnsigned);
      return integer(exactDigits(value), isUnsigned);
    case "timestamp":
      if (typeof value !== "string") return timestampMs(exactDigits(value), 0);
      return numeric.test(value) && !dated.test(value) ? timestampMs(value, 0) : isoMs(value);
  }
}

/** Of a number as it was written: beyond 2^53 a parser of JSON has rounded it. */
function exactDigits(value: unknown): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return fail("");
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    fail("beyond ±(2^53 − 1) numbers of JSON are not exact: write its digits as text");
  }
  return String(value);
}

const names = {
  number: "a number",
  integer: "a whole number",
  timestamp: "a time: write UTC ms, or like 2026-01-05T18:00:00Z",
  boolean: "true or false",
  text: "a text",
} as const;

function wantedOf(type: ScalarType, shape: ValueShape | undefined): string {
  if (shape === "decimal") return "a decimal: a number, or its digits in quotes";
  if (typeof shape !== "object") return names[type];
  const all = shape.symbols.map((symbol) => JSON.stringify(symbol));
  return `one of ${all.slice(0, 20).join(", ")}${all.length > 20 ? ", …" : ""}`;
}
