import type { AvroField, AvroType, Logical, Primitive } from "./avro-types.ts";

/** What a schema may have at most, so that reading one is no work to speak of. */
export const schemaLimits = {
  /** Types, those named again included. */
  types: 50_000,
  /** Types within types, as written. */
  depth: 200,
} as const;

/** Why a schema cannot be used. */
export class AvroSchemaError extends Error {}

const primitives: ReadonlySet<string> = new Set<Primitive>([
  "null",
  "boolean",
  "int",
  "long",
  "float",
  "double",
  "bytes",
  "string",
]);

/**
 * Reads an Avro schema.
 *
 * @param schema - parsed JSON.
 * @param references - schemas that it names, each before those that name it.
 * @throws {AvroSchemaError} when it is no Avro schema or beyond {@link schemaLimits}.
 */
export function parseAvro(schema: unknown, references: readonly unknown[] = []): AvroType {
  const parser = new Parser();
  for (const reference of references) parser.type(reference, "", 0);
  return parser.type(schema, "", 0);
}

class Parser {
  readonly #named = new Map<string, AvroType>();
  #types = 0;

  type(schema: unknown, namespace: string, depth: number): AvroType {
    if (++this.#types > schemaLimits.types) {
      throw new AvroSchemaError(`it has more than ${schemaLimits.types} types`);
    }
    if (depth > schemaLimits.depth) {
      throw new AvroSchemaError(`it nests deeper than ${schemaLimits.depth} types`);
    }
    if (typeof schema === "string") return this.#reference(schema, namespace);
    if (Array.isArray(schema)) {
      const branches = schema.map((branch) => this.type(branch, namespace, depth + 1));
      if (branches.length === 0) throw new AvroSchemaError("a union is empty");
      return { kind: "union", branches };
    }
    if (!isObject(schema)) throw new AvroSchemaError(`${JSON.stringify(schema)} is no type`);
    return this.#complex(schema, namespace, depth);
  }

  #reference(name: string, namespace: string): AvroType {
    if (isPrimitive(name)) return { kind: name, logical: null };
    const found = this.#named.get(fullName(name, namespace)) ?? this.#named.get(name);
    if (found === undefined)
      throw new AvroSchemaError(`type "${fullName(name, namespace)}" is not declared`);
    return found;
  }

  #complex(schema: Readonly<Record<string, unknown>>, namespace: string, depth: number): AvroType {
    const { type } = schema;
    if (typeof type !== "string") return this.type(type, namespace, depth + 1);
    if (isPrimitive(type)) return { kind: type, logical: logicalOf(type, schema, null) };
    switch (type) {
      case "array":
        return { kind: "array", items: this.type(schema["items"], namespace, depth + 1) };
      case "map":
        return { kind: "map", values: this.type(schema["values"], namespace, depth + 1) };
      case "record":
      case "error":
        return this.#record(schema, namespace, depth);
      case "enum":
        return this.#declare({
          kind: "enum",
          ...names(schema, namespace),
          symbols: texts(schema["symbols"]),
          defaultSymbol: typeof schema["default"] === "string" ? schema["default"] : null,
        });
      case "fixed": {
        const { size } = schema;
        if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
          throw new AvroSchemaError(`fixed "${String(schema["name"])}" has no size`);
        }
        const logical = logicalOf(type, schema, size);
        return this.#declare({ kind: "fixed", ...names(schema, namespace), size, logical });
      }
      default:
        return this.#reference(type, namespace);
    }
  }

  #record(schema: Readonly<Record<string, unknown>>, namespace: string, depth: number): AvroType {
    const own = names(schema, namespace);
    const fields: AvroField[] = [];
    const record = this.#declare({ kind: "record", ...own, fields });
    const inner = own.name.includes(".") ? own.name.slice(0, own.name.lastIndexOf(".")) : "";
    if (!Array.isArray(schema["fields"])) {
      throw new AvroSchemaError(`record "${own.name}" has no fields`);
    }
    for (const field of schema["fields"] as unknown[]) {
      if (!isObject(field) || typeof field["name"] !== "string") {
        throw new AvroSchemaError(`a field of "${own.name}" has no name`);
      }
      // A logical type is at times written beside the type of the field.
      fields.push({
        name: field["name"],
        aliases: texts(field["aliases"]),
        type: this.type(field["type"], inner, depth + 1),
        doc: typeof field["doc"] === "string" ? field["doc"] : "",
        defaultValue: field["default"],
      });
    }
    return record;
  }

  #declare<T extends AvroType & { readonly name: string }>(type: T): T {
    this.#named.set(type.name, type);
    return type;
  }
}

function names(schema: Readonly<Record<string, unknown>>, namespace: string) {
  const { name } = schema;
  if (typeof name !== "string" || name === "") throw new AvroSchemaError("a type has no name");
  const own = typeof schema["namespace"] === "string" ? schema["namespace"] : namespace;
  const full = fullName(name, own);
  const around = full.includes(".") ? full.slice(0, full.lastIndexOf(".")) : "";
  return { name: full, aliases: texts(schema["aliases"]).map((alias) => fullName(alias, around)) };
}

function fullName(name: string, namespace: string): string {
  return name.includes(".") || namespace === "" ? name : `${namespace}.${name}`;
}

/** A logical type that does not fit its base type is passed over, as Avro wants it. */
function logicalOf(
  base: string,
  schema: Readonly<Record<string, unknown>>,
  size: number | null,
): Logical | null {
  const { logicalType } = schema;
  if (typeof logicalType !== "string") return null;
  const perMs = base === "long" ? timestampsPerMs[logicalType.replace(/^local-/, "")] : undefined;
  if (perMs !== undefined) return { kind: "timestamp", perMs };
  if (logicalType === "date" && base === "int") return { kind: "date" };
  if (logicalType === "uuid" && (base === "string" || size === 16)) return { kind: "uuid" };
  if (logicalType === "decimal" && (base === "bytes" || base === "fixed")) {
    const { scale = 0 } = schema;
    if (Number.isSafeInteger(scale) && (scale as number) >= 0 && (scale as number) <= 300) {
      return { kind: "decimal", scale: scale as number };
    }
  }
  return null;
}

const timestampsPerMs: Readonly<Record<string, number>> = {
  "timestamp-millis": 1,
  "timestamp-micros": 1_000,
  "timestamp-nanos": 1_000_000,
};

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

function isPrimitive(name: string): name is Primitive {
  return primitives.has(name);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
