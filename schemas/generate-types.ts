import type { NamedAvroType } from "./avro-references.ts";
import { generatedConstants, generatedType } from "./generated-names.ts";

const primitives: Readonly<Record<string, string>> = {
  null: "null",
  boolean: "boolean",
  int: "number",
  float: "number",
  double: "number",
  string: "string",
  bytes: "Buffer",
};

/** What differs between the repository's own contracts and those of a user. */
export interface GeneratedHead {
  /** Comment lines at the head of the module, each without its slashes. */
  readonly comment: readonly string[];
  /** Module that `recordSchema` is imported from. */
  readonly from: string;
  /** What stands for a long that is no instant. */
  readonly long: "number" | "number | bigint";
}

/** What has been declared, by its name, and how longs are. */
interface Declared {
  readonly texts: Map<string, string>;
  readonly long: GeneratedHead["long"];
}

const instants: ReadonlySet<unknown> = new Set([
  "timestamp-millis",
  "timestamp-micros",
  "timestamp-nanos",
]);

/**
 * Writes the TypeScript module for Avro schemas: an interface a record (nested ones too), a union
 * an enum, and for each record given a frozen constant that carries its record type.
 *
 * Avro to TypeScript: int, float, double, instants → number; another long → number | bigint (the
 * latter beyond ±(2^53 − 1)), or number where the head says so; bytes, fixed → Buffer; union →
 * union; array → readonly array; map → record.
 * Deterministic: the same schemas in the same order give the same text. A constant has the name of
 * its record with a lower-case letter in front; a name that TypeScript does not take, or that
 * stands there already, has `_` behind it (`Return` → `return_`).
 *
 * @throws {Error} when a type is not Avro, or a name stands for two different types.
 */
export function generateTypes(schemas: readonly NamedAvroType[], head: GeneratedHead): string {
  const declarations: Declared = { texts: new Map(), long: head.long };
  for (const schema of schemas) typeText(schema, declarations);
  const records = schemas.filter(({ type }) => type === "record");
  const names = generatedConstants(records.map(({ name }) => shortName(name)));
  const constants = records.map((schema, index) => constantText(schema, names[index] ?? ""));
  const imports = `import { type RecordSchema, recordSchema } from "${head.from}";`;
  return [
    ...head.comment.map((line) => `// ${line}\n`),
    constants.length > 0 ? `\n${imports}\n\n` : "\n",
    [...declarations.texts.values(), ...constants].join("\n\n"),
    "\n",
  ].join("");
}

/** The TypeScript type of an Avro type; named types are declared once on the way. */
function typeText(type: unknown, declarations: Declared): string {
  if (typeof type === "string") {
    if (type === "long") return declarations.long;
    const primitive = primitives[type];
    if (primitive) return primitive;
    const name = shortName(type);
    if (declarations.texts.has(name)) return name;
    throw new Error(`"${type}" is neither an Avro type nor declared before its use.`);
  }
  if (Array.isArray(type)) {
    return [...type]
      .sort((a, b) => Number(a === "null") - Number(b === "null"))
      .map((part: unknown) => typeText(part, declarations))
      .join(" | ");
  }
  const complex = type as {
    type?: unknown;
    items?: unknown;
    values?: unknown;
    logicalType?: unknown;
  };
  switch (complex.type) {
    case "array":
      return `readonly ${inParentheses(typeText(complex.items, declarations))}[]`;
    case "map":
      return `Readonly<Record<string, ${typeText(complex.values, declarations)}>>`;
    case "record":
    case "enum":
    case "fixed":
      return declare(type as NamedAvroType, declarations);
    case "long":
      return instants.has(complex.logicalType) ? "number" : declarations.long;
    default:
      return typeText(complex.type, declarations);
  }
}

function inParentheses(text: string): string {
  return text.includes(" ") ? `(${text})` : text;
}

function declare(type: NamedAvroType, declarations: Declared): string {
  if (type.type === "fixed") return "Buffer";
  const name = shortName(type.name);
  const before = declarations.texts.get(name);
  declarations.texts.set(name, "");
  const body =
    type.type === "enum"
      ? `type ${name} = ${type.symbols?.map((symbol) => JSON.stringify(symbol)).join(" | ")};`
      : `interface ${name} {\n${fieldLines(type, declarations).join("\n")}\n}`;
  const text = `${docText(type.doc, "")}export ${body}`;
  if (before !== undefined && before !== text) {
    throw new Error(`The name "${name}" stands for two different Avro types.`);
  }
  // Behind what it is made of, so that the file reads from parts to wholes.
  declarations.texts.delete(name);
  declarations.texts.set(name, text);
  return name;
}

/** A name without its namespace, as TypeScript takes it. */
function shortName(name: string): string {
  return generatedType(name.slice(name.lastIndexOf(".") + 1));
}

function fieldLines(type: NamedAvroType, declarations: Declared): string[] {
  return (type.fields ?? []).map((field) => {
    const text = typeText(field.type, declarations);
    return `${docText(field.doc, "  ")}  readonly ${field.name}: ${text};`;
  });
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

function constantText(schema: NamedAvroType, name: string): string {
  const type = shortName(schema.name);
  const subject = `Avro schema of {@link ${type}}.`;
  const body = JSON.stringify(schema, null, 2).replace(/^([ \t]*)"([A-Za-z_]\w*)":/gm, "$1$2:");
  return (
    `/** ${subject} */\nexport const ${name}: RecordSchema<${type}> = ` +
    `recordSchema<${type}>(${body});`
  );
}
