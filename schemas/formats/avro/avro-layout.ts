import type { RowField, RowLayout, RowType, ScalarType } from "../../row-layout.ts";
import type { ValueShape } from "../format.ts";
import type { AvroType } from "./avro-types.ts";

/** Fields of a layout at most: a record of records could name ever more. */
const maxFields = 2_000;

/**
 * The fields of a record that can be named, those of records within it by their paths. Left out is
 * what has no type of its own here: maps, bytes, unions of several types, a record within itself.
 */
export function avroLayout(type: AvroType): RowLayout {
  return { fields: found(type).map(({ field }) => field) };
}

/** By their paths the units of decimals, dates and timestamps that are not in ms. */
export function avroUnits(type: AvroType): ReadonlyMap<string, string> {
  return new Map(
    found(type).flatMap(({ field, unit }) => (unit === "" ? [] : [[field.name, unit] as const])),
  );
}

/** By their paths decimals and enums. */
export function avroShapes(type: AvroType): ReadonlyMap<string, ValueShape> {
  const shapes = new Map<string, ValueShape>();
  for (const { field, of } of found(type)) {
    const [only, ...others] = of;
    if (only === undefined || others.length > 0) continue;
    if (only.kind === "enum") shapes.set(field.name, { symbols: only.symbols });
    if ("logical" in only && only.logical?.kind === "decimal") shapes.set(field.name, "decimal");
  }
  return shapes;
}

/** Paths of what is never null where the record around it is not. */
export function presentInAvro(type: AvroType): ReadonlySet<string> {
  const paths = new Set<string>();
  collect(type, { path: "", nullable: false, doc: "" }, new Set(), [], paths);
  return paths;
}

interface Found {
  readonly field: RowField;
  readonly unit: string;
  /** What it is of; of a list that of its items. */
  readonly of: readonly AvroType[];
}

function found(type: AvroType): Found[] {
  const fields: Found[] = [];
  collect(type, { path: "", nullable: false, doc: "" }, new Set(), fields);
  return fields;
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
  fields: Found[],
  present = new Set<string>(),
): void {
  if (type.kind === "union") {
    const others = type.branches.filter(({ kind }) => kind !== "null");
    const [only] = others;
    if (only === undefined) return;
    const nullable = place.nullable || others.length < type.branches.length;
    if (others.length === 1) collect(only, { ...place, nullable }, around, fields, present);
    else add(fields, { ...place, nullable }, commonType(others.map(scalarType)), others);
    return;
  }
  if (type.kind === "record") {
    if (around.has(type)) return;
    const inner = new Set([...around, type]);
    for (const field of type.fields) {
      const path = place.path === "" ? field.name : `${place.path}.${field.name}`;
      const within = { path, nullable: place.nullable, doc: field.doc };
      const all = field.type.kind === "union" ? field.type.branches : [field.type];
      if (all.every(({ kind }) => kind !== "null")) present.add(path);
      collect(field.type, within, inner, fields, present);
    }
    return;
  }
  const item = type.kind === "array" ? type.items : type;
  const scalar = scalarType(item);
  const isList = type.kind === "array" && scalar !== null;
  add(fields, place, isList ? { list: scalar } : scalar, [item]);
}

function add(
  fields: Found[],
  { path, nullable, doc }: Place,
  type: RowType | null,
  of: readonly AvroType[],
): void {
  if (type === null || fields.length >= maxFields) return;
  const field = { name: path, type, nullable, ...(doc !== "" && { doc }) };
  const units = new Set(of.map(unitOf).filter((unit) => unit !== ""));
  fields.push({ field, unit: [...units].join(", "), of });
}

/** Empty: a plain value, or ms. */
function unitOf(type: AvroType): string {
  const logical = "logical" in type ? type.logical : null;
  if (logical?.kind === "decimal") return `decimal with ${logical.scale} places`;
  if (logical?.kind === "timestamp") return logical.perMs === 1 ? "" : `1/${logical.perMs} ms`;
  return logical?.kind === "date" ? "days" : "";
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
