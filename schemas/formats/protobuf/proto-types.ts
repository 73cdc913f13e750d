/** Scalars of Protobuf, by how they stand on the wire. */
export const scalarWire = {
  int32: "varint",
  int64: "varint",
  uint32: "varint",
  uint64: "varint",
  bool: "varint",
  sint32: "zigzag",
  sint64: "zigzag",
  fixed32: "fixed32",
  sfixed32: "fixed32",
  float: "float",
  fixed64: "fixed64",
  sfixed64: "fixed64",
  double: "double",
  string: "bytes",
  bytes: "bytes",
} as const;

export type Scalar = keyof typeof scalarWire;

/** Values on the wire that are read alike. */
export type WireClass = (typeof scalarWire)[Scalar] | "message";

/** The type of a field that can be read, as data. */
export type ProtoType =
  | { readonly kind: "scalar"; readonly name: Scalar }
  | {
      readonly kind: "enum";
      readonly name: string;
      readonly values: Readonly<Record<string, number>>;
    }
  | { readonly kind: "message"; readonly name: string }
  /** `google.protobuf.Timestamp`. */
  | { readonly kind: "timestamp" }
  /** `confluent.type.Decimal`. */
  | { readonly kind: "decimal" }
  /** `google.protobuf.Int64Value` and its like: a scalar that may be missing. */
  | { readonly kind: "wrapper"; readonly of: Scalar };

export interface ProtoField {
  readonly name: string;
  readonly number: number;
  readonly type: ProtoType;
  /**
   * `implicit`: where it is missing it has its default; `explicit`: it may be missing; `required`
   * is proto2's; `repeated`: any number of scalars.
   */
  readonly presence: "implicit" | "explicit" | "required" | "repeated";
}

/** By their full names the fields of messages that can be read. */
export type ProtoMessages = Readonly<Record<string, readonly ProtoField[]>>;

/** By their full names the fields of messages that are passed over, and what each is. */
export type Unread = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** How a type stands on the wire. */
export function wireClassOf(type: ProtoType): WireClass {
  if (type.kind === "scalar") return scalarWire[type.name];
  return type.kind === "enum" ? "varint" : "message";
}

/** How a type is called in messages. */
export function typeName(type: ProtoType): string {
  switch (type.kind) {
    case "timestamp":
      return "google.protobuf.Timestamp";
    case "decimal":
      return "confluent.type.Decimal";
    case "wrapper":
      return `a wrapped ${type.of}`;
    default:
      return type.name;
  }
}

/** What stands for a field that is missing and whose presence is implicit. */
export function defaultOf({ type }: ProtoField): string | number | boolean {
  if (type.kind === "enum") return Object.keys(type.values)[0] ?? "";
  if (type.kind !== "scalar") return 0;
  if (type.name === "bool") return false;
  return scalarWire[type.name] === "bytes" ? "" : 0;
}
