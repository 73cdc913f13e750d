import type { RowField, RowLayout, ScalarType } from "../../row-layout.ts";
import type { AvroType } from "./avro-types.ts";

/** Fields of a layout at most: a record of records could name ever more. */
const maxFields = 2_000;

/**
 * The fields of a record that can be named, those of records within it by their paths. Left out is
 * what has no type of its own here: maps, bytes, unions of several types, a record within itself.
 */
export function avroLayout(type: AvroType): RowLayout {
  const fields: RowField[] = [];
  collect(type, "", false, new Set(), fields);
  return { fields };
}

function collect(
  type: AvroType,
  path: string,
  nullable: boolean,
  around: ReadonlySet<AvroType>,
  fields: RowField[],
): void {
  if (type.kind === "union") {
    const others = type.branches.filter(({ kind }) => kind !== "null");
    const [only] = others;
    if (only === undefined) return;
    const isNullable = others.length < type.branches.length;
    if (others.length === 1) {
      collect(only, path, nullable || isNullable, around, fields);
      return;
    }
    const scalar = commonType(others.map(scalarType));
    if (scalar !== null)
      add(fields, { name: path, type: scalar, nullable: nullable || isNullable });
    return;
  }
  if (type.kind === "record") {
    if (around.has(type)) return;
    const inner = new Set([...around, type]);
    for (const field of type.fields) {
      const name = path === "" ? field.name : `${path}.${field.name}`;
      collect(field.type, name, nullable, inner, fields);
    }
    return;
  }
  const scalar = scalarType(type.kind === "array" ? type.items : type);
  if (scalar === null) return;
  add(fields, { name: path, type: type.kind === "array" ? { list: scalar } : scalar, nullable });
}

function add(fields: RowField[], field: RowField): void {
  if (fields.length < maxFields) fields.push(field);
}

/** Of the branches of a union: one type for all, or number for numbers of two kinds. */
function commonType(types: readonly (ScalarType | null)[]): ScalarType | null {
  const [first = null] = types;
  if (types.every((type) => type === first)) return first;
  return types.every((type) => type === "integer" || type === "number") ? "number" : null;
}

function scalarType(type: AvroType): ScalarType | null {
  switch (type.kind) {
    case "boolean":
      return "boolean";
    case "int":
    case "long":
      return type.logical === null ? "integer" : "timestamp";
    case "float":
    case "double":
      return "number";
    case "string":
    case "enum":
      return "text";
    case "bytes":
    case "fixed":
      if (type.logical?.kind === "decimal") return "number";
      return type.logical?.kind === "uuid" ? "text" : null;
    default:
      return null;
  }
}
