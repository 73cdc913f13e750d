import { randomBytes, randomUUID } from "node:crypto";
import { unreadOf } from "../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import type { RowField, RowType } from "../../schemas/row-layout.ts";
import { EventMisfit, eventRecord } from "../ingest/event-record.ts";

/** The fields of a record by their paths, as a source decodes it; null where it has none. */
export type RecordFields = Record<string, unknown>;

/**
 * Reads records of JSON that are to be scored: the fields of a source, checked by their types. What
 * the score does not depend on may be left out; so may the time, which is then now, and the id,
 * which is then a new one.
 *
 * @param needed - paths of the fields that the score depends on.
 * @param idField - path of the field that names the record; null: it is made of several.
 */
export function recordReader(
  { layout, format, timeField }: Pick<SourceSpec, "layout" | "format" | "timeField">,
  needed: ReadonlySet<string>,
  idField: string | null,
): (value: unknown, now: number) => RecordFields {
  const paths = [...layout.fields.map(({ name }) => name), ...unreadOf(format).keys()];
  const convert = eventRecord(layout, [...new Set(paths.map((path) => path.split(".")[0] ?? ""))]);
  const fields = layout.fields.map((field) => ({ ...field, parts: field.name.split(".") }));
  return (value, now) => {
    const given = convert(value);
    const record: RecordFields = {};
    for (const field of fields) {
      const { name, parts } = field;
      let found = valueAt(given, parts);
      if (found === undefined || found === null) {
        if (name === idField) found = newId(field);
        else if (name === timeField) found = now;
        else if (!field.nullable && (found === null || needed.has(name))) {
          throw new EventMisfit(found === null ? `${name} is null` : `${name} is missing`);
        }
      } else if (!isOf(field.type, found)) {
        throw new EventMisfit(`${name} is ${shown(found)}, not ${typeName(field.type)}`);
      }
      record[name] = found ?? null;
    }
    return record;
  };
}

function valueAt(record: Readonly<Record<string, unknown>>, parts: readonly string[]): unknown {
  let found: unknown = record;
  for (const part of parts) {
    if (typeof found !== "object" || found === null) return undefined;
    found = (found as Record<string, unknown>)[part];
  }
  return found;
}

/** Nobody has it by chance: 63 random bits, or the 122 of a UUID. */
function newId({ type }: RowField): string | bigint {
  return type === "text" ? randomUUID() : randomBytes(8).readBigUInt64LE() >> 1n;
}

function isOf(type: RowType, value: unknown): boolean {
  if (typeof type === "object") {
    return Array.isArray(value) && value.every((item) => isOf(type.list, item));
  }
  switch (type) {
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    case "integer":
      return typeof value === "bigint" || Number.isSafeInteger(value);
    case "timestamp":
      return Number.isSafeInteger(value);
    case "boolean":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string";
  }
}

const typeNames = {
  number: "a number",
  integer: "a whole number",
  timestamp: "a time, UTC ms",
  boolean: "true or false",
  text: "a text",
} as const;

function typeName(type: RowType): string {
  return typeof type === "object" ? `a list, each ${typeNames[type.list]}` : typeNames[type];
}

function shown(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? "nothing");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
