/**
 * A field of a record; undefined where it has none. What every object has by the name, as
 * `constructor`, is no field: a class may give fields, by getters too, but no functions.
 */
export function fieldOf(record: object, name: string): unknown {
  const found = (record as Readonly<Record<string, unknown>>)[name];
  return typeof found === "function" && !Object.hasOwn(record, name) ? undefined : found;
}

/** A field of a record by its path; undefined where it, or a record around it, is missing. */
export function fieldAt(record: object, path: string): unknown {
  const own = fieldOf(record, path);
  if (own !== undefined || !path.includes(".")) return own;
  let value: unknown = record;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = fieldOf(value, name);
  }
  return value;
}
