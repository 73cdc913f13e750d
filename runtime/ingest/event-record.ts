import { nearest } from "../../schemas/nearest.ts";
import type { RowField, RowLayout, ScalarType } from "../../schemas/row-layout.ts";

/** Why a value is no record of a source: the place and what is wrong there. */
export class EventMisfit extends Error {}

type Tree = ReadonlyMap<string, RowField["type"] | Branch>;
class Branch {
  readonly tree = new Map<string, RowField["type"] | Branch>();
}

/**
 * How events of JSON become records of a format: timestamps from UTC ms or ISO 8601, whole numbers
 * exact, from numbers or from the text of their digits. All else is left to the format's writer.
 *
 * @param layout - the fields of the format, by their paths.
 * @param names - of all fields of a record: what is none of them is refused.
 */
export function eventRecord(
  layout: RowLayout,
  names: readonly string[],
): (value: unknown) => Record<string, unknown> {
  const tree = treeOf(layout);
  const known = new Set(names);
  return (value) => {
    if (!isObject(value)) throw new EventMisfit("it is no JSON object");
    for (const name of Object.keys(value)) {
      if (known.has(name)) continue;
      const shown = JSON.stringify(name.slice(0, 60));
      throw new EventMisfit(`${shown} is no field of it${nearest(name.slice(0, 60), names)}`);
    }
    return converted(value, tree, "");
  };
}

function treeOf({ fields }: RowLayout): Tree {
  const root = new Branch();
  for (const { name, type } of fields) {
    const parts = name.split(".");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = at.tree.get(part);
      const branch = next instanceof Branch ? next : new Branch();
      at.tree.set(part, branch);
      at = branch;
    }
    at.tree.set(parts.at(-1) ?? name, type);
  }
  return root.tree;
}

function converted(value: object, tree: Tree, prefix: string): Record<string, unknown> {
  const record: Record<string, unknown> = Object.create(null);
  for (const [name, given] of Object.entries(value)) {
    const type = tree.get(name);
    const path = `${prefix}${name}`;
    if (type instanceof Branch) {
      record[name] = isObject(given) ? converted(given, type.tree, `${path}.`) : given;
    } else if (typeof type === "object") {
      record[name] = Array.isArray(given)
        ? given.map((item: unknown, i) => scalar(item, type.list, `${path}[${i}]`))
        : given;
    } else record[name] = type === undefined ? given : scalar(given, type, path);
  }
  return record;
}

function scalar(value: unknown, type: ScalarType, path: string): unknown {
  if (type === "integer") return wholeNumber(value, path);
  return type === "timestamp" ? timestamp(value, path) : value;
}

const digits = /^-?\d{1,19}$/;

function wholeNumber(value: unknown, path: string): unknown {
  if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new EventMisfit(
      `${path} is beyond ±(2^53 − 1), where numbers of JSON are not exact: write its digits as text`,
    );
  }
  if (typeof value !== "string") return value;
  if (!digits.test(value)) {
    throw new EventMisfit(`${path} is ${shown(value)}, not a whole number`);
  }
  const whole = BigInt(value);
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
}

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/;

function timestamp(value: unknown, path: string): unknown {
  if (typeof value !== "string") return value;
  const ms = iso.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) {
    const form = "UTC ms, or like 2026-01-05T18:00:00Z";
    throw new EventMisfit(`${path} is ${shown(value)}, not a time: write ${form}`);
  }
  return ms;
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
