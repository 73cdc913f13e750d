import type { AvroSchema } from "../../../schemas/plan.ts";

/** What the rules of a topology need to know of the type of a field. */
export interface AvroField {
  /** Avro's name of the type: `long`, `string`, `enum`, `record`, …; `union` of several. */
  readonly type: string;
  readonly nullable: boolean;
  readonly logicalType: string | null;
}

/** Type of a field of a record schema; null where there is no such field. */
export function avroField(schema: AvroSchema, name: string): AvroField | null {
  const field = schema.fields.find((each) => each.name === name);
  return field === undefined ? null : avroType(field.type);
}

function avroType(type: unknown): AvroField {
  if (Array.isArray(type)) {
    const others = type.filter((branch) => branch !== "null");
    const inner = others.length === 1 ? avroType(others[0]) : { type: "union", logicalType: null };
    return { ...inner, nullable: others.length < type.length };
  }
  if (typeof type === "object" && type !== null && "type" in type) {
    const inner = avroType(type.type);
    const logicalType =
      "logicalType" in type && typeof type.logicalType === "string" ? type.logicalType : null;
    return { ...inner, logicalType };
  }
  return { type: String(type), nullable: false, logicalType: null };
}

const wholeTypes = new Set(["int", "long"]);
const numericTypes = new Set(["int", "long", "float", "double"]);
const textTypes = new Set(["string", "enum"]);

export function isWhole(field: AvroField): boolean {
  return wholeTypes.has(field.type);
}

export function isNumeric(field: AvroField): boolean {
  return numericTypes.has(field.type);
}

export function isText(field: AvroField): boolean {
  return textTypes.has(field.type);
}

/** Kind of a field as an operand or a key: null where it is neither. */
export function scalarKind(field: AvroField): "number" | "string" | "boolean" | null {
  if (isNumeric(field)) return "number";
  if (isText(field)) return "string";
  return field.type === "boolean" ? "boolean" : null;
}
