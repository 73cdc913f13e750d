import type { AvroSchema } from "./plan.ts";

interface NamedType {
  readonly type: "record" | "enum" | "fixed";
  readonly name: string;
  readonly doc?: string;
  readonly fields?: AvroSchema["fields"];
  readonly symbols?: readonly string[];
}

const primitives: Readonly<Record<string, string>> = {
  null: "null",
  boolean: "boolean",
  int: "number",
  long: "number",
  float: "number",
  double: "number",
  string: "string",
  bytes: "Buffer",
};

/**
 * Writes the TypeScript module for Avro record schemas: an interface a record (nested ones too), a
 * union an enum, and for each schema a frozen constant that carries its record type.
 *
 * Avro to TypeScript: int, long, float, double → number (a long beyond 2^53 is refused by the
 * codec); bytes, fixed → Buffer; union → union; array → readonly array; map → record.
 * Deterministic: the same schemas in the same order give the same text.
 *
 * @throws {Error} when a type is not Avro, or a name stands for two different types.
 */
export function generateTypes(schemas: readonly AvroSchema[]): string {
  const declarations = new Map<string, string>();
  const constants: string[] = [];
  for (const schema of schemas) {
    typeText(schema, declarations);
    constants.push(constantText(schema));
  }
  return [
    "// Written by `npm run generate` from schemas/*.avsc. Change those instead.",
    "// Why long: one file for all contracts, so that what is generated can be told from what is not.",
    'import { type RecordSchema, recordSchema } from "./record-schema.ts";',
    ...declarations.values(),
    ...constants,
  ]
    .join("\n\n")
    .replace("\n\n", "\n")
    .concat("\n");
}

/** The TypeScript type of an Avro type; named types are declared once on the way. */
function typeText(type: unknown, declarations: Map<string, string>): string {
  if (typeof type === "string") {
    const primitive = primitives[type];
    if (primitive) return primitive;
    const name = type.slice(type.lastIndexOf(".") + 1);
    if (declarations.has(name)) return name;
    throw new Error(`"${type}" is neither an Avro type nor declared before its use.`);
  }
  if (Array.isArray(type)) {
    return [...type]
      .sort((a, b) => Number(a === "null") - Number(b === "null"))
      .map((part: unknown) => typeText(part, declarations))
      .join(" | ");
  }
  const complex = type as { type?: unknown; items?: unknown; values?: unknown };
  switch (complex.type) {
    case "array":
      return `readonly ${inParentheses(typeText(complex.items, declarations))}[]`;
    case "map":
      return `Readonly<Record<string, ${typeText(complex.values, declarations)}>>`;
    case "record":
    case "enum":
    case "fixed":
      return declare(type as NamedType, declarations);
    default:
      return typeText(complex.type, declarations);
  }
}

function inParentheses(text: string): string {
  return text.includes(" ") ? `(${text})` : text;
}

function declare(type: NamedType, declarations: Map<string, string>): string {
  if (type.type === "fixed") return "Buffer";
  const before = declarations.get(type.name);
  declarations.set(type.name, "");
  const text = type.type === "enum" ? enumText(type) : interfaceText(type, declarations);
  if (before !== undefined && before !== text) {
    throw new Error(`The name "${type.name}" stands for two different Avro types.`);
  }
  // Behind what it is made of, so that the file reads from parts to wholes.
  declarations.delete(type.name);
  declarations.set(type.name, text);
  return type.name;
}

function enumText(type: NamedType): string {
  const symbols = (type.symbols ?? []).map((symbol) => JSON.stringify(symbol));
  return `${docText(type.doc, "")}export type ${type.name} = ${symbols.join(" | ")};`;
}

function interfaceText(type: NamedType, declarations: Map<string, string>): string {
  const lines = (type.fields ?? []).map((field) => {
    const text = typeText(field.type, declarations);
    return `${docText(field.doc, "  ")}  readonly ${field.name}: ${text};`;
  });
  return `${docText(type.doc, "")}export interface ${type.name} {\n${lines.join("\n")}\n}`;
}

function docText(doc: string | undefined, indent: string): string {
  if (!doc) return "";
  const safe = doc.replaceAll("*/", "*\\/");
  const line = `${indent}/** ${safe} */`;
  if (line.length <= 100) return `${line}\n`;
  const lines = wrap(safe, 97 - indent.length).map((part) => `${indent} * ${part}`);
  return `${indent}/**\n${lines.join("\n")}\n${indent} */\n`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

function constantText(schema: AvroSchema): string {
  const name = schema.name.charAt(0).toLowerCase() + schema.name.slice(1);
  const subject = `Avro schema of {@link ${schema.name}}.`;
  const body = JSON.stringify(schema, null, 2).replace(/^(\s*)"([A-Za-z_]\w*)":/gm, "$1$2:");
  return (
    `/** ${subject} */\nexport const ${name}: RecordSchema<${schema.name}> = ` +
    `recordSchema<${schema.name}>(${body});`
  );
}
