import type { AvroRecord, AvroType } from "./avro-types.ts";
import { defaultValue } from "./defaults.ts";
import { fieldSources, isNamedAlike, unreadable } from "./resolve.ts";
import { scalarRead } from "./scalars.ts";

/** Where a reader's schema cannot take what a writer's may write. */
export interface Incompatibility {
  /** Path of the field; the record's name where it is no field's. */
  readonly field: string;
  readonly reason: string;
}

/**
 * Why not every value of a writer's type can be read as a reader's; null where each can: what a
 * registry asks of a subject that is BACKWARD compatible.
 */
export function incompatibility(writer: AvroType, reader: AvroType): Incompatibility | null {
  return check(writer, reader, [], new Map());
}

/** Pairs that are looked at or done with: a type that holds itself ends there. */
type Seen = Map<AvroType, Set<AvroType>>;

function check(
  writer: AvroType,
  reader: AvroType,
  path: readonly string[],
  seen: Seen,
): Incompatibility | null {
  const problem = (reason: string): Incompatibility => ({
    field: path.length > 0 ? path.join(".") : "name" in reader ? reader.name : reader.kind,
    reason,
  });
  if (writer.kind === "union") {
    for (const branch of writer.branches) {
      const found = check(branch, reader, path, seen);
      if (found !== null) return found;
    }
    return null;
  }
  if (reader.kind === "union") {
    const fits = reader.branches.some((branch) => check(writer, branch, path, new Map()) === null);
    return fits ? null : problem(unreadable(writer, reader).message);
  }
  if (writer.kind === "record" && reader.kind === "record") {
    if (!isNamedAlike(writer, reader)) return problem(unreadable(writer, reader).message);
    const done = seen.get(writer) ?? new Set();
    if (done.has(reader)) return null;
    seen.set(writer, done.add(reader));
    return checkFields(writer, reader, path, seen);
  }
  if (writer.kind === "array" && reader.kind === "array") {
    return check(writer.items, reader.items, path, seen);
  }
  if (writer.kind === "map" && reader.kind === "map") {
    return check(writer.values, reader.values, path, seen);
  }
  if (writer.kind === "enum" && reader.kind === "enum") {
    if (!isNamedAlike(writer, reader)) return problem(unreadable(writer, reader).message);
    const unknown = writer.symbols.find((symbol) => !reader.symbols.includes(symbol));
    if (unknown === undefined || reader.defaultSymbol !== null) return null;
    return problem(`it has no symbol "${unknown}" and no default`);
  }
  return scalarRead(writer, reader) === null ? problem(unreadable(writer, reader).message) : null;
}

function checkFields(
  writer: AvroRecord,
  reader: AvroRecord,
  path: readonly string[],
  seen: Seen,
): Incompatibility | null {
  const sources = fieldSources(writer, reader);
  const types = new Map(writer.fields.map(({ name, type }) => [name, type]));
  for (const field of reader.fields) {
    const inner = [...path, field.name];
    const written = types.get(sources.get(field.name) ?? "");
    if (written === undefined) {
      if (defaultValue(field.type, field.defaultValue) !== undefined) continue;
      return { field: inner.join("."), reason: "it is new and has no default" };
    }
    const found = check(written, field.type, inner, seen);
    if (found !== null) return found;
  }
  return null;
}
