/**
 * Words of JavaScript in a strict module, of TypeScript's types, and of what a loader of modules
 * puts around one.
 */
const reserved: ReadonlySet<string> = new Set(
  [
    "arguments as async await break case catch class const continue debugger default delete do",
    "else enum eval export extends false finally for function if implements import in instanceof",
    "interface let new null package private protected public return static super switch this throw",
    "true try typeof var void while with yield",
    "any asserts bigint boolean infer is keyof never number object readonly string symbol undefined",
    "unique unknown Infinity NaN globalThis",
    "exports require module __filename __dirname jitiImport jitiESMResolve",
  ]
    .join(" ")
    .split(" "),
);

/** Types of the generated text itself. */
const usedTypes: ReadonlySet<string> = new Set(
  "Buffer Readonly Record RecordSchema ProtobufSchema".split(" "),
);

/** Values of the generated text itself. */
const usedValues: ReadonlySet<string> = new Set(["recordSchema", "proto"]);

/**
 * The name of a type: the contract's own, with `_` behind it where TypeScript keeps that name for
 * itself, or the module needs it.
 */
export function generatedType(name: string): string {
  return reserved.has(name) || usedTypes.has(name) ? `${name}_` : name;
}

/**
 * Names of the constants of types, in their order: each begins with a lower-case letter, and has as
 * many `_` behind it as make it a name that nothing else has.
 */
export function generatedConstants(types: readonly string[]): string[] {
  const taken = new Set([...reserved, ...usedValues]);
  return types.map((type) => {
    let name = type.charAt(0).toLowerCase() + type.slice(1);
    while (taken.has(name)) name += "_";
    taken.add(name);
    return name;
  });
}
