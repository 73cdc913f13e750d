import { createRequire } from "node:module";
import type * as Protobuf from "protobufjs";
import { type Descriptors, isDescriptor, rootOfDescriptors } from "./parse-descriptor.ts";
import {
  type ProtoField,
  type ProtoMessages,
  type ProtoType,
  type Scalar,
  scalarWire,
  type Unread,
} from "./proto-types.ts";

/** Characters of the files of a schema, together: they may be anybody's. */
const maxCharacters = 1024 * 1024;

/** A message as the indexes in front of a value count it: by its place in its file. */
export interface PlacedMessage {
  /** With its package. */
  readonly name: string;
  readonly nested: readonly PlacedMessage[];
}

/** What the files of a schema declare. */
export interface ProtoSchema {
  readonly messages: ProtoMessages;
  /** By their full names the fields of messages that cannot be read, and what each is. */
  readonly unread: Unread;
  /** Of the file itself, without those that it imports. */
  readonly placed: readonly PlacedMessage[];
}

/** In no file that a registry keeps: registries know them by their names. */
const decimalProto = `syntax = "proto3"; package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }`;

const wrappers: Readonly<Record<string, Scalar>> = {
  DoubleValue: "double",
  FloatValue: "float",
  Int64Value: "int64",
  UInt64Value: "uint64",
  Int32Value: "int32",
  UInt32Value: "uint32",
  BoolValue: "bool",
  StringValue: "string",
  BytesValue: "bytes",
};

/** Types that have a meaning of their own. */
const known = new Map<string, ProtoType>([
  ["google.protobuf.Timestamp", { kind: "timestamp" }],
  ["confluent.type.Decimal", { kind: "decimal" }],
  ...Object.entries(wrappers).map(
    ([name, of]) => [`google.protobuf.${name}`, { kind: "wrapper", of }] as const,
  ),
]);

/**
 * Reads the text of `.proto` files (proto2, proto3, editions). What they import has to be among
 * them, but for `google/protobuf` and `confluent`; a field of another type is left out. What a
 * registry gives may be descriptors instead, as base64.
 *
 * @param imported - files that `text` imports, or these each other, in any order.
 * @throws {Error} where the text is no Protobuf schema, or too long.
 */
export function parseProto(text: string, imported: readonly string[] = []): ProtoSchema {
  const files = [...imported, text];
  const characters = files.reduce((sum, { length }) => sum + length, 0);
  if (characters > maxCharacters) throw new Error(`it has more than ${maxCharacters} characters`);
  const protobuf = loaded();
  const { root, placed } = isDescriptor(text)
    ? rootOfDescriptors(files, rootOfTexts([], protobuf), protobuf, descriptors())
    : {
        root: rootOfTexts(files, protobuf),
        placed: placedIn(protobuf.parse(text, options).root, protobuf),
      };
  const types = typesIn(root, protobuf);
  const left = new Set<Protobuf.Field>();
  for (const type of types) {
    for (const field of type.fieldsArray) {
      if (field.type in scalarWire || type.lookup(field.type) !== null) continue;
      left.add(field);
      field.type = "bytes";
    }
  }
  root.resolveAll();
  const messages: Record<string, readonly ProtoField[]> = {};
  const unread: Record<string, Readonly<Record<string, string>>> = {};
  for (const type of types) {
    const fields = type.fieldsArray.filter((field) => !left.has(field));
    const typed = fields.map((field) => fieldOf(field, protobuf));
    messages[nameOf(type)] = typed.filter((each) => typeof each !== "string");
    unread[nameOf(type)] = Object.fromEntries([
      ...[...left].flatMap((each) =>
        each.parent === type ? [[each.name, "of a type that no file declares"]] : [],
      ),
      ...typed.flatMap((each, i) => {
        return typeof each === "string" ? [[(fields[i] as Protobuf.Field).name, each]] : [];
      }),
    ]);
  }
  return { messages, unread, placed };
}

const options = { keepCase: true };

/** What texts declare, with the types that no file has to declare. */
function rootOfTexts(files: readonly string[], protobuf: typeof Protobuf): Protobuf.Root {
  const root = new protobuf.Root();
  for (const file of [decimalProto, ...files]) protobuf.parse(file, root, options);
  for (const name of ["timestamp", "wrappers"]) {
    const { nested } = protobuf.common.get(`google/protobuf/${name}.proto`) ?? {};
    const isThere = root.lookup(name === "timestamp" ? "google.protobuf.Timestamp" : boolValue);
    if (isThere === null && nested !== undefined) root.addJSON(nested);
  }
  return root;
}

const boolValue = "google.protobuf.BoolValue";

/** Most applications have no Protobuf: the library is loaded for those that do. */
function loaded(): typeof Protobuf {
  return createRequire(import.meta.url)("protobufjs") as typeof Protobuf;
}

function descriptors(): Descriptors {
  return createRequire(import.meta.url)("protobufjs/ext/descriptor") as Descriptors;
}

function nameOf({ fullName }: Protobuf.ReflectionObject): string {
  return fullName.replace(/^\./, "");
}

function typesIn(
  { nestedArray }: Protobuf.NamespaceBase,
  protobuf: typeof Protobuf,
): Protobuf.Type[] {
  return nestedArray.flatMap((each) => {
    const own = each instanceof protobuf.Type ? [each] : [];
    return isNamespace(each, protobuf) ? [...own, ...typesIn(each, protobuf)] : own;
  });
}

/** Messages in the order of the file, below the namespaces of its package. */
function placedIn(
  { nestedArray }: Protobuf.NamespaceBase,
  protobuf: typeof Protobuf,
): PlacedMessage[] {
  return nestedArray.flatMap((each) => {
    if (each instanceof protobuf.Type) {
      return [{ name: nameOf(each), nested: placedIn(each, protobuf) }];
    }
    return isNamespace(each, protobuf) ? placedIn(each, protobuf) : [];
  });
}

function isNamespace(
  each: Protobuf.ReflectionObject,
  protobuf: typeof Protobuf,
): each is Protobuf.NamespaceBase {
  return each instanceof protobuf.Namespace || each instanceof protobuf.Type;
}

/** A field, or what it is where it has no type here. */
function fieldOf(field: Protobuf.Field, protobuf: typeof Protobuf): ProtoField | string {
  if (field.name.startsWith(".")) return "an extension";
  if (field.map) return "a map";
  const type = typeOf(field, protobuf);
  if (type === null) return "a group";
  const isMessage = type.kind !== "scalar" && type.kind !== "enum";
  if (field.repeated && isMessage) return "a list of messages";
  const { name, id: number } = field;
  return { name, number, type, presence: presenceOf(field, isMessage) };
}

function presenceOf(field: Protobuf.Field, isMessage: boolean): ProtoField["presence"] {
  if (field.repeated) return "repeated";
  if (field.required) return "required";
  return isMessage || field.partOf !== null || field.hasPresence ? "explicit" : "implicit";
}

function typeOf(
  { type, resolvedType }: Protobuf.Field,
  protobuf: typeof Protobuf,
): ProtoType | null {
  if (resolvedType === null) {
    return type in scalarWire ? { kind: "scalar", name: type as Scalar } : null;
  }
  const name = nameOf(resolvedType);
  if (resolvedType instanceof protobuf.Enum) {
    return { kind: "enum", name, values: { ...resolvedType.values } };
  }
  if ((resolvedType as { readonly group?: true }).group === true) return null;
  return known.get(name) ?? { kind: "message", name };
}
