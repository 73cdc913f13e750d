import type { SourceFile } from "./source-tree.ts";

/** A place that names a step kind that it should not know. */
export interface Naming {
  readonly path: string;
  readonly line: number;
  /** Kind that is named; `*`: a table over all of them. */
  readonly kind: string;
  /** As it stands there. */
  readonly text: string;
}

/** Every naming of a step kind in a file: texts, types of its facts, and tables by kind. */
export function kindNames(
  { path, text }: Pick<SourceFile, "path" | "text">,
  kinds: ReadonlyMap<string, readonly string[]>,
): Naming[] {
  const code = withoutComments(text);
  const found: Naming[] = [];
  const add = (kind: string, pattern: RegExp) => {
    for (const match of code.matchAll(pattern)) {
      const line = code.slice(0, match.index).split("\n").length;
      found.push({ path, line, kind, text: match[0].trim() });
    }
  };
  for (const [kind, types] of kinds) {
    // A text of its own, or one that goes on as the name of a part does: `view ${id}`.
    add(kind, new RegExp(`(["'\`])${kind}\\1|(["'\`])${kind} (?=\\$\\{)`, "g"));
    if (types.length > 0) add(kind, new RegExp(`\\b(${types.join("|")})\\b`, "g"));
  }
  add("*", /\bin (Step|Operator|Processor)Kind\b|Record<(Step|Operator|Processor)Kind\b/g);
  // Asks for a kind by what only its spec has.
  add("*", /"\w+" in (\w+\.)*spec\b/g);
  return found;
}

/** The same text, its comments blank; lines stay where they are. */
function withoutComments(text: string): string {
  const comment = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/[^\n]*/g;
  return text.replace(comment, (each) => each.replace(/[^\n]/g, " "));
}
