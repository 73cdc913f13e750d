/** A field of a record by its path; undefined where it, or a record around it, is missing. */
export function fieldAt(record: object, path: string): unknown {
  const own = (record as Readonly<Record<string, unknown>>)[path];
  if (own !== undefined || !path.includes(".")) return own;
  let value: unknown = record;
  for (const name of path.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  return value;
}
