import type { RowField, RowLayout, RowType, ScalarType } from "../../row-layout.ts";
import type { AvroType } from "./avro-types.ts";

/** Fields of a layout at most: a record of records could name ever more. */
const maxFields = 2_000;

/**
 * The fields of a record that can be named, those of records within it by their paths. Left out is
 * what has no type of its own here: maps, bytes, unions of several types, a record within itself.
 */
export function avroLayout(type: AvroType): RowLayout {
  const fields: RowField[] = [];
  collect(type, { path: "", nullable: false, doc: "" }, new Set(), fields);
  return { fields };
}

interface Place {
  readonly path: string;
  readonly nullable: boolean;
  readonly doc: string;
}

function collect(
  type: AvroType,
  place: Place,
  around: ReadonlySet<AvroType>,
  fields: RowField[],
): void {
  if (type.kind === "union") {
    const others = type.branches.filter(({ kind }) => kind !== "null");
    const [only] = others;
    if (only === undefined) return;
    const nullable = place.nullable || others.length < type.branches.length;
    if (others.length === 1) collect(only, { ...place, nullable }, around, fields);
    else add(fields, { ...place, nullable }, commonType(others.map(scalarType)));
    return;
  }
  if (type.kind === "record") {
    if (around.has(type)) return;
    const inner = new Set([...around, type]);
    for (const field of type.fields) {
      const path = place.path === "" ? field.name : `${place.path}.${field.name}`;
      collect(field.type, { path, nullable: place.nullable, doc: field.doc }, inner, fields);
    }
    return;
  }
  const scalar = scalarType(type.kind === "array" ? type.items : type);
  add(fields, place, type.kind === "array" && scalar !== null ? { list: scalar } : scalar);
}

function add(fields: RowField[], { path, nullable, doc }: Place, type: RowType | null): void {
  if (type === null || fields.length >= maxFields) return;
  fields.push({ name: path, type, nullable, ...(doc !== "" && { doc }) });
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
