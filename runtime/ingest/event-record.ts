import type { FormatSpec } from "../../schemas/formats/formats.ts";
import { formatWriter, layoutOf, shapesOf } from "../../schemas/formats/formats.ts";
import { JsonValueError } from "../../schemas/formats/json/json-input.ts";
import { jsonValue, shown } from "../../schemas/formats/json/json-value.ts";
import { nearest } from "../../schemas/nearest.ts";

/** Why a value is no record of a source: the place and what is wrong there. */
export class EventMisfit extends Error {}

/** Problems of one record that are told; what is more is counted. */
const problemsTold = 8;

/** @throws {EventMisfit} telling all that was found wrong with a record, if anything was. */
export function refuseMisfits(problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length - problemsTold;
  const told = [...problems.slice(0, problemsTold), ...(more > 0 ? [`and ${more} more`] : [])];
  throw new EventMisfit(told.join("; "));
}

type Read = (value: unknown, path: string) => unknown;

/** The fields of a record within the record. */
class Branch {
  readonly tree = new Map<string, Read | Branch>();
}

/**
 * How events of JSON become records of a format: each value that is not null is read as a source of
 * JSON reads it; an instant is UTC ms or ISO 8601 whatever its unit. What is missing or null, and
 * what a format has that no field names, is left to who takes the record.
 *
 * All that is wrong with a record is added to `problems`; what is given then is part of it.
 *
 * @param names - of all fields of a record: what is none of them is refused. @default those that
 * the format writes
 */
export function eventReader(
  format: FormatSpec,
  names: readonly string[] = formatWriter(format).fields,
): (value: unknown, problems: string[]) => Record<string, unknown> {
  const root = treeOf(format);
  const known = new Set(names);
  return (value, problems) => {
    if (!isObject(value)) throw new EventMisfit("it is no JSON object");
    for (const name of Object.keys(value)) {
      if (known.has(name)) continue;
      // To look for near names takes time: of those that are told alone.
      const near = problems.length < problemsTold ? nearest(name.slice(0, 60), names) : "";
      problems.push(`${shown(name)} is no field of it${near}`);
    }
    return converted(value, root, "", problems);
  };
}

/** {@link eventReader} for whoever takes whole records alone: it throws all that is wrong. */
export function eventRecord(
  ...of: Parameters<typeof eventReader>
): (value: unknown) => Record<string, unknown> {
  const read = eventReader(...of);
  return (value) => {
    const problems: string[] = [];
    const record = read(value, problems);
    refuseMisfits(problems);
    return record;
  };
}

function treeOf(format: FormatSpec): Branch {
  const root = new Branch();
  const shapes = shapesOf(format);
  for (const field of layoutOf(format).fields) {
    const { name } = field;
    const parts = name.split(".");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = at.tree.get(part);
      const branch = next instanceof Branch ? next : new Branch();
      at.tree.set(part, branch);
      at = branch;
    }
    at.tree.set(parts.at(-1) ?? name, jsonValue(field, shapes.get(name)));
  }
  return root;
}

function converted(
  value: object,
  { tree }: Branch,
  prefix: string,
  problems: string[],
): Record<string, unknown> {
  const record: Record<string, unknown> = Object.create(null);
  for (const [name, given] of Object.entries(value)) {
    const read = tree.get(name);
    const path = `${prefix}${name}`;
    if (read === undefined || given === null) record[name] = given;
    else if (!(read instanceof Branch)) record[name] = readOr(read, given, path, problems);
    else if (isObject(given)) record[name] = converted(given, read, `${path}.`, problems);
    else {
      record[name] = undefined;
      problems.push(`${path} is ${shown(given)}, not an object of its fields`);
    }
  }
  return record;
}

function readOr(read: Read, given: unknown, path: string, problems: string[]): unknown {
  try {
    return read(given, path);
  } catch (error) {
    if (!(error instanceof JsonValueError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
