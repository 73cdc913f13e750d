import { formatVerb, type WriterSchema } from "../format.ts";
import { takeIndexes } from "./message-indexes.ts";
import { parseProto } from "./parse-proto.ts";
import type { ProtoMessages } from "./proto-types.ts";
import {
  type ProtoTarget,
  presentInProtobuf,
  protobufLayout,
  protobufShapes,
  protobufText,
  unreadFields,
} from "./protobuf-layout.ts";
import { protobufRead } from "./protobuf-read.ts";
import { writeMessage } from "./protobuf-write.ts";
import { fail, WireInput } from "./wire-input.ts";

/** Protobuf messages: with the fields that can be read, and those of the messages within it. */
export interface ProtobufFormatSpec extends ProtoTarget {
  readonly kind: "protobuf";
}

/** A message of some `.proto` files, with the type of its records. */
export interface ProtobufSchema<T> {
  /** Name with the package, e.g. `shop.Payment`. */
  readonly message: string;
  /** Text of the file that declares it, and of those that it imports, in any order. */
  readonly proto: string | readonly string[];
  /** Only a type: the records. */
  readonly __type?: T;
}

/** Paths of the fields of a record, and of those within its fields. */
type PathsOf<T> = {
  [K in keyof T & string]: NonNullable<T[K]> extends infer V
    ? V extends readonly unknown[] | string | number | bigint | boolean
      ? K
      : K | `${K}.${PathsOf<V>}`
    : never;
}[keyof T & string];

type Below<P extends string, K extends string> = P extends `${K}.${infer Rest}` ? Rest : never;

/** A record whose fields at the paths, and those around them, are never null. */
type With<T, P extends string> = {
  readonly [K in keyof T & string]: [Extract<P, K | `${K}.${string}`>] extends [never]
    ? T[K]
    : Inner<NonNullable<T[K]>, Below<P, K>>;
};

type Inner<V, P extends string> = [P] extends [never] ? V : V extends object ? With<V, P> : V;

/** How messages are read. */
export interface ProtobufOptions<P extends string> {
  /**
   * Paths of fields without which a record is a dead letter, and which are never null for that. A
   * message within the message may always be missing, and so may a timestamp: what gives a source
   * its time or its keys stands here.
   *
   * @default none
   */
  readonly required?: readonly P[];
}

/**
 * Protobuf, plain or in Confluent's framing (whose schema is looked up, so that a message of
 * another name is refused). Fields go by their numbers, whatever schema wrote them; unknown ones
 * are passed over. A record is a dead letter (`MALFORMED_PROTOBUF`) where it is no such message.
 *
 * @throws {Error} when the text is no Protobuf schema or has no such message.
 * @example from("payments", protobuf(payment, { required: ["paid_at"] }))
 */
export const protobuf = formatVerb(
  <T, const P extends string = never>(
    { message, proto }: ProtobufSchema<T>,
    { required = [] }: ProtobufOptions<P & PathsOf<T>> = {},
  ): ProtobufFormatSpec & { readonly __type?: [P] extends [never] ? T : With<T, P> } => {
    const [text = "", ...imported] = typeof proto === "string" ? [proto] : proto;
    const { messages, unread } = parseProto(text, imported);
    const reached = reachedFrom(message, messages);
    const left = Object.entries(unread).filter(
      ([name, fields]) => name in reached && Object.keys(fields).length > 0,
    );
    return {
      kind: "protobuf",
      message,
      messages: reached,
      ...(left.length > 0 && { unread: Object.fromEntries(left) }),
      ...(required.length > 0 && { required }),
    };
  },
  {
    layout: (spec: ProtobufFormatSpec) => protobufLayout(spec),
    units: () => new Map(),
    shapes: protobufShapes,
    present: presentInProtobuf,
    unread: unreadFields,
    text: (spec) => ({ heading: `protobuf ${spec.message}`, lines: protobufText(spec) }),
    open: (spec) => ({
      name: spec.message,
      malformed: "MALFORMED_PROTOBUF",
      framing: "optional",
      bySchema: true,
      readerOf: (schema) => (schema === null ? protobufRead(spec, spec) : framedRead(spec, schema)),
    }),
    writer: (spec) => ({
      name: spec.message,
      schema: null,
      fields: (spec.messages[spec.message] ?? []).map((field) => field.name),
      write: (value, into) => writeMessage(spec, value, into),
    }),
  },
);

/** Reads values of a schema of a registry, whose first bytes say what message they are. */
function framedRead(spec: ProtobufFormatSpec, { type, schema, references }: WriterSchema) {
  if (type !== "PROTOBUF") throw new Error(`it is a ${type} schema, not Protobuf`);
  const { messages, placed } = parseProto(String(schema), references.map(String));
  if (messages[spec.message] === undefined) throw new Error(`it has no message ${spec.message}`);
  const read = protobufRead(spec, { message: spec.message, messages });
  const head = new WireInput();
  return (buffer: Buffer, start: number, end: number, behindId?: Buffer) => {
    if (behindId === undefined) head.open(buffer, start, end);
    else head.open(behindId, 0, behindId.length);
    const { name } = takeIndexes(head, placed);
    if (name !== spec.message) fail(`it is the message ${name}`);
    return read(buffer, behindId === undefined ? head.position : start, end);
  };
}

/** Of all messages of some files those that stand in one. */
function reachedFrom(message: string, messages: ProtoMessages): ProtoMessages {
  if (messages[message] === undefined) {
    const names = Object.keys(messages).filter((name) => !/^(google|confluent)\./.test(name));
    throw new Error(`there is no message ${message}; there is ${names.join(", ") || "none"}`);
  }
  const reached: Record<string, ProtoMessages[string]> = {};
  const visit = (name: string) => {
    if (reached[name] !== undefined) return;
    reached[name] = messages[name] ?? [];
    for (const { type } of reached[name]) if (type.kind === "message") visit(type.name);
  };
  visit(message);
  return reached;
}
