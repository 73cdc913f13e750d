import { parseProto } from "./formats/protobuf/parse-proto.ts";
import type { ProtoField, ProtoMessages, ProtoType } from "./formats/protobuf/proto-types.ts";
import { generatedConstants, generatedType } from "./generated-names.ts";

/**
 * Writes the TypeScript module for `.proto` files: an interface a message with the fields that are
 * read (`docs/formats.md`), and for each message that stands in no other a constant that `protobuf`
 * takes. Deterministic; names that TypeScript does not take are made as for Avro.
 *
 * @throws {Error} when a text is no Protobuf schema, or two messages would have one name.
 */
export function generateProtoTypes(files: readonly string[], comment: readonly string[]): string {
  const [first = "", ...others] = files;
  const { messages } = parseProto(first, others);
  const own = Object.keys(messages).filter((name) => !/^(google\.protobuf|confluent)\./.test(name));
  const names = new Map(own.map((name) => [name, interfaceName(name, own)]));
  if (new Set(names.values()).size < names.size) {
    throw new Error("two messages would have one name in TypeScript");
  }
  const interfaces = own.map((name) => interfaceText(name, messages, names));
  const outer = own.filter((name) => !own.some((other) => name.startsWith(`${other}.`)));
  const constantNames = generatedConstants(outer.map((name) => names.get(name) ?? ""));
  const constants = outer.map((message, index) =>
    constantText(message, names.get(message) ?? "", constantNames[index] ?? ""),
  );
  return [
    ...comment.map((line) => `// ${line}\n`),
    '\nimport type { ProtobufSchema } from "millrace";\n\n',
    ...interfaces.map((text) => `${text}\n\n`),
    `const proto: readonly string[] = ${JSON.stringify(files, null, 2)};\n\n`,
    constants.join("\n\n"),
    "\n",
  ].join("");
}

/** `shop.Payment.Customer`, a message within `shop.Payment`, is `PaymentCustomer`. */
function interfaceName(name: string, all: readonly string[]): string {
  const around = all.filter((other) => name.startsWith(`${other}.`)).sort()[0] ?? name;
  const packageLength = around.lastIndexOf(".") + 1;
  return generatedType(name.slice(packageLength).replaceAll(".", ""));
}

function interfaceText(
  message: string,
  messages: ProtoMessages,
  names: ReadonlyMap<string, string>,
): string {
  const lines = (messages[message] ?? []).flatMap((field) => {
    const { type } = field;
    // A message within itself has no end of paths, and is not read.
    if (type.kind === "message" && reaches(type.name, message, messages)) return [];
    return [`  readonly ${field.name}: ${fieldText(field, names)};`];
  });
  const head = `/** The message \`${message}\`. */\nexport interface ${names.get(message)} {`;
  return [head, ...lines, "}"].join("\n");
}

function fieldText({ type, presence }: ProtoField, names: ReadonlyMap<string, string>): string {
  const text = typeText(type, names);
  if (presence === "repeated") return `readonly ${text.includes(" ") ? `(${text})` : text}[]`;
  return presence === "explicit" ? `${text} | null` : text;
}

function typeText(type: ProtoType, names: ReadonlyMap<string, string>): string {
  switch (type.kind) {
    case "enum":
      return Object.keys(type.values)
        .map((name) => JSON.stringify(name))
        .join(" | ");
    case "message":
      return names.get(type.name) ?? "never";
    case "wrapper":
      return typeText({ kind: "scalar", name: type.of }, names);
    case "scalar":
      if (type.name === "bool") return "boolean";
      if (type.name === "string" || type.name === "bytes") return "string";
      return type.name.endsWith("64") ? "number | bigint" : "number";
    default:
      return "number";
  }
}

function reaches(from: string, to: string, messages: ProtoMessages): boolean {
  const seen = new Set<string>();
  const visit = (name: string): boolean => {
    if (name === to) return true;
    if (seen.has(name)) return false;
    seen.add(name);
    return (messages[name] ?? []).some(({ type }) => type.kind === "message" && visit(type.name));
  };
  return visit(from);
}

function constantText(message: string, type: string, name: string): string {
  const value = `{ message: ${JSON.stringify(message)}, proto }`;
  return `/** For \`protobuf(${name})\`. */\nexport const ${name}: ProtobufSchema<${type}> = ${value};`;
}
