import type { RowField, RowLayout, RowType, ScalarType } from "../../row-layout.ts";
import type { ValueShape } from "../format.ts";
import {
  type ProtoField,
  type ProtoMessages,
  type ProtoType,
  scalarWire,
  type Unread,
} from "./proto-types.ts";

/** Fields of a record, all levels together: messages of messages could name ever more. */
const maxFields = 2_000;

/** A message to read, with the fields whose presence is asked for. */
export interface ProtoTarget {
  /** With its package. */
  readonly message: string;
  readonly messages: ProtoMessages;
  /** Fields that are passed over, and what each is, by their messages. @default none */
  readonly unread?: Unread;
  /** Paths of fields without which a record is none. @default none */
  readonly required?: readonly string[];
}

/** A field that can be named, by its path. */
export interface PlacedField {
  readonly path: string;
  /** Numbers of the fields around it and its own. */
  readonly numbers: readonly number[];
  readonly field: ProtoField;
  readonly nullable: boolean;
}

/** Whether a required field, or one within it, stands at a path. */
export function isRequired({ required = [] }: ProtoTarget, path: string): boolean {
  return required.some((each) => each === path || each.startsWith(`${path}.`));
}

/**
 * The fields of a message that can be named, those of messages within it by their paths. A message
 * within itself is left out.
 *
 * @throws {Error} for more than 2,000 fields, and for a required field that there is not.
 */
export function placedFields(target: ProtoTarget): readonly PlacedField[] {
  const placed: PlacedField[] = [];
  const paths = new Set<string>();
  const collect = (name: string, around: Omit<PlacedField, "field">, within: readonly string[]) => {
    for (const field of target.messages[name] ?? []) {
      const path = around.path === "" ? field.name : `${around.path}.${field.name}`;
      const isGiven = field.presence !== "explicit" || isRequired(target, path);
      const nullable = around.nullable || !isGiven;
      const place = { path, nullable, numbers: [...around.numbers, field.number] };
      const { type } = field;
      paths.add(path);
      if (type.kind !== "message") placed.push({ ...place, field });
      else if (!within.includes(type.name)) collect(type.name, place, [...within, type.name]);
      if (placed.length > maxFields) throw new Error(`a message has ${maxFields} fields at most`);
    }
  };
  collect(target.message, { path: "", nullable: false, numbers: [] }, [target.message]);
  const missing = target.required?.find((path) => !paths.has(path));
  if (missing !== undefined) {
    const what = unreadFields(target).get(missing);
    const why = what === undefined ? `no field of ${target.message}` : `${what}, which is not read`;
    throw new Error(`"${missing}" is ${why}`);
  }
  return placed;
}

/** By their paths the fields that cannot be named, and what each is. */
export function unreadFields({ message, messages, unread = {} }: ProtoTarget) {
  const found = new Map<string, string>();
  const collect = (name: string, around: string, within: readonly string[]) => {
    for (const [field, what] of Object.entries(unread[name] ?? {})) found.set(around + field, what);
    for (const { name: field, type } of messages[name] ?? []) {
      if (type.kind !== "message") continue;
      const path = `${around}${field}`;
      if (within.includes(type.name)) found.set(path, "a message within itself");
      else collect(type.name, `${path}.`, [...within, type.name]);
    }
  };
  collect(message, "", [message]);
  return found;
}

/** @throws {Error} as {@link placedFields}. */
export function protobufLayout(target: ProtoTarget): RowLayout {
  const fields = placedFields(target).map(({ path, field, nullable }): RowField => {
    const scalar = scalarType(field.type);
    const type: RowType = field.presence === "repeated" ? { list: scalar } : scalar;
    return { name: path, type, nullable, ...(isUnsigned(field.type) && { unsigned: true }) };
  });
  if (fields.length === 0) throw new Error(`${target.message} has no field that can be read`);
  return { fields };
}

/** By their paths decimals and enums. */
export function protobufShapes(target: ProtoTarget): ReadonlyMap<string, ValueShape> {
  const shapes = new Map<string, ValueShape>();
  for (const { path, field } of placedFields(target)) {
    const { type } = field;
    if (type.kind === "decimal") shapes.set(path, "decimal");
    if (type.kind === "enum") shapes.set(path, { symbols: Object.keys(type.values) });
  }
  return shapes;
}

/** Paths of fields that are never null. */
export function presentInProtobuf(target: ProtoTarget): ReadonlySet<string> {
  const present = placedFields(target).filter(({ nullable }) => !nullable);
  return new Set(present.map(({ path }) => path));
}

function scalarType(type: ProtoType): ScalarType {
  switch (type.kind) {
    case "enum":
      return "text";
    case "timestamp":
      return "timestamp";
    case "decimal":
      return "number";
    case "wrapper":
      return scalarType({ kind: "scalar", name: type.of });
    case "message":
      throw new Error(`the message ${type.name} is no value`);
    case "scalar":
      if (type.name === "bool") return "boolean";
      if (scalarWire[type.name] === "bytes") return "text";
      return type.name === "double" || type.name === "float" ? "number" : "integer";
  }
}

/** Whether it is a whole number of 64 bits without a sign. */
function isUnsigned(type: ProtoType): boolean {
  const name = type.kind === "wrapper" ? type.of : type.kind === "scalar" ? type.name : null;
  return name === "uint64" || name === "fixed64";
}

/** Fields in lines, for `describe`: all that decides how a record is read. */
export function protobufText(target: ProtoTarget): readonly string[] {
  return placedFields(target).map(({ path, numbers, field, nullable }) => {
    const list = field.presence === "repeated" ? "list of " : "";
    const needed = field.presence === "required" ? ", required" : "";
    const suffix = nullable ? " or null" : needed;
    return `${path} = ${numbers.join(".")}: ${list}${typeText(field.type)}${suffix}`;
  });
}

function typeText(type: ProtoType): string {
  if (type.kind === "enum") {
    const values = Object.entries(type.values).map(([name, number]) => `${name} = ${number}`);
    return `one of ${values.join(" | ")}`;
  }
  if (type.kind === "scalar") return type.name;
  return type.kind === "wrapper" ? type.of : type.kind;
}
