/** A type with a name, as a contract file holds it. */
export interface NamedAvroType {
  readonly type: "record" | "enum" | "fixed";
  readonly name: string;
  readonly namespace?: string;
  readonly doc?: string;
  readonly fields?: readonly {
    readonly name: string;
    readonly type: unknown;
    readonly doc?: string;
    readonly default?: unknown;
  }[];
  readonly symbols?: readonly string[];
}

/**
 * Puts the definition of a type that stands in another of the contracts where it is first referred
 * to, so that each contract is whole by itself, as schema registries and codecs want it. The order
 * of the contracts does not matter.
 */
export function inlineReferences(contracts: readonly NamedAvroType[]): NamedAvroType[] {
  const byName = new Map(contracts.map((contract) => [fullName(contract, ""), contract]));
  return contracts.map((contract) => {
    const seen = new Set<string>();
    const resolve = (type: unknown, namespace: string): unknown => {
      if (typeof type === "string") {
        const name = type.includes(".") || namespace === "" ? type : `${namespace}.${type}`;
        const found = byName.get(name) ?? byName.get(type);
        if (found === undefined || seen.has(fullName(found, ""))) return type;
        return resolve(found, "");
      }
      if (Array.isArray(type)) return type.map((part: unknown) => resolve(part, namespace));
      if (typeof type !== "object" || type === null) return type;
      if (!isNamed(type)) return resolveParts(type, (part) => resolve(part, namespace));
      seen.add(fullName(type, namespace));
      const inner = type.namespace ?? namespace;
      const fields = type.fields?.map((field) => ({ ...field, type: resolve(field.type, inner) }));
      return fields === undefined ? type : { ...type, fields };
    };
    return resolve(contract, "") as NamedAvroType;
  });
}

function isNamed(type: object): type is NamedAvroType {
  return "name" in type && "type" in type && typeof type.type === "string";
}

/** An array, a map or a type in an object, with what it is made of resolved. */
function resolveParts(type: object, resolve: (part: unknown) => unknown): object {
  const resolved: Record<string, unknown> = { ...type };
  for (const part of ["type", "items", "values"]) {
    if (part in resolved) resolved[part] = resolve(resolved[part]);
  }
  return resolved;
}

function fullName(type: NamedAvroType, namespace: string): string {
  if (type.name.includes(".")) return type.name;
  const own = type.namespace ?? namespace;
  return own === "" ? type.name : `${own}.${type.name}`;
}
