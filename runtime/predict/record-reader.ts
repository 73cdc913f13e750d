import { randomBytes, randomUUID } from "node:crypto";
import { presentIn, unreadOf } from "../../schemas/formats/formats.ts";
import type { SourceSpec } from "../../schemas/plan.ts";
import type { RowField } from "../../schemas/row-layout.ts";
import { eventReader, refuseMisfits } from "../ingest/event-record.ts";

/** The fields of a record by their paths, as a source decodes it; null where it has none. */
export type RecordFields = Record<string, unknown>;

/** A field of the records that a step is asked about. */
export interface AskedField extends RowField {
  /** Whether a record without it is refused, whatever else it has. */
  readonly isRequired: boolean;
  /** Whether the score may depend on it. */
  readonly isUsed: boolean;
  /** The id and the time of a record may be left out: they are made. */
  readonly role: "id" | "time" | null;
}

/**
 * What `recordReader` reads of records.
 *
 * @param needed - as there.
 */
export function askedFields(
  { layout, format, timeField }: Pick<SourceSpec, "layout" | "format" | "timeField">,
  needed: ReadonlySet<string>,
  idField: string | null,
): readonly AskedField[] {
  const present = presentIn(format);
  return layout.fields.map((field) => {
    const { name } = field;
    const role = name === idField ? "id" : name === timeField ? "time" : null;
    const isUsed = needed.has(name);
    const parts = name.split(".");
    const isPresent = parts.every((_, index) => present.has(parts.slice(0, index + 1).join(".")));
    return { ...field, role, isUsed, isRequired: isUsed && role === null && isPresent };
  });
}

/**
 * Reads records of JSON that are to be scored: the fields of a source, checked as its events are.
 * What the score does not depend on may be left out; so may the time, which is then now, and the
 * id, which is then a new one.
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
  const names = [...new Set(paths.map((path) => path.split(".")[0] ?? ""))];
  const convert = eventReader(format, names);
  const fields = layout.fields.map((field) => ({ ...field, parts: field.name.split(".") }));
  const present = [...presentIn(format)]
    .filter((name) => name !== idField && name !== timeField)
    .map((name) => {
      const isNeeded = [...needed].some((path) => path === name || path.startsWith(`${name}.`));
      const parts = name.split(".");
      return { name, parts, around: parts.slice(0, -1), last: parts.at(-1) ?? "", isNeeded };
    });
  return (value, now) => {
    const problems: string[] = [];
    const given = convert(value, problems);
    for (const { name, parts, around, last, isNeeded } of present) {
      const branch = valueAt(given, around);
      if (branch === undefined || branch === null) continue;
      const found = valueAt(given, parts);
      // What is there and cannot be read has been told.
      if (found === undefined && Object.hasOwn(branch, last)) continue;
      if (found === null) problems.push(`${name} is null`);
      if (found === undefined && isNeeded) problems.push(`${name} is missing`);
    }
    refuseMisfits(problems);
    const record: RecordFields = {};
    for (const field of fields) {
      const { name, parts } = field;
      const found = valueAt(given, parts) ?? null;
      if (found === null && name === idField) record[name] = newId(field);
      else record[name] = found === null && name === timeField ? now : found;
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
