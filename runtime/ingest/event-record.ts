import type { FormatSpec } from "../../schemas/formats/formats.ts";
import { formatWriter, layoutOf, shapesOf } from "../../schemas/formats/formats.ts";
import { JsonValueError } from "../../schemas/formats/json/json-input.ts";
import { jsonValue, shown } from "../../schemas/formats/json/json-value.ts";
import { nearest } from "../../schemas/nearest.ts";

/** Why a value is no record of a source: the place and what is wrong there. */
export class EventMisfit extends Error {}

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
 * @param names - of all fields of a record: what is none of them is refused. @default those that
 * the format writes
 */
export function eventRecord(
  format: FormatSpec,
  names: readonly string[] = formatWriter(format).fields,
): (value: unknown) => Record<string, unknown> {
  const root = treeOf(format);
  const known = new Set(names);
  return (value) => {
    if (!isObject(value)) throw new EventMisfit("it is no JSON object");
    for (const name of Object.keys(value)) {
      if (known.has(name)) continue;
      const near = nearest(name.slice(0, 60), names);
      throw new EventMisfit(`${shown(name)} is no field of it${near}`);
    }
    try {
      return converted(value, root, "");
    } catch (error) {
      throw error instanceof JsonValueError ? new EventMisfit(error.message) : error;
    }
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

function converted(value: object, { tree }: Branch, prefix: string): Record<string, unknown> {
  const record: Record<string, unknown> = Object.create(null);
  for (const [name, given] of Object.entries(value)) {
    const read = tree.get(name);
    const path = `${prefix}${name}`;
    if (read === undefined || given === null) record[name] = given;
    else if (!(read instanceof Branch)) record[name] = read(given, path);
    else if (isObject(given)) record[name] = converted(given, read, `${path}.`);
    else throw new EventMisfit(`${path} is ${shown(given)}, not an object of its fields`);
  }
  return record;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
