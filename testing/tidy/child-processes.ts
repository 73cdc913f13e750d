import type { SourceFile } from "./source-tree.ts";

/**
 * Calls that start a program without saying what its environment is: it would get all of ours, with
 * the passwords that are settings there. As `path:line`.
 */
export function inheritedEnvironments(files: readonly SourceFile[]): string[] {
  return files.flatMap(({ path, text }) => {
    const [, imported = ""] = /^import \{([^}]*)\} from "node:child_process"/m.exec(text) ?? [];
    const names = imported
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "" && !name.startsWith("type "));
    const promised = [...text.matchAll(/const (\w+) = promisify\((\w+)\)/g)];
    names.push(
      ...promised.flatMap(([, alias = "", of = ""]) => (names.includes(of) ? [alias] : [])),
    );
    if (names.length === 0) return [];
    const call = new RegExp(`(?:\\b(?:${names.join("|")})|promisify\\(\\w+\\))(?=\\()`, "g");
    return [...text.matchAll(call)].flatMap((found) => {
      const from = found.index + found[0].length;
      if (/\benv\b/.test(argumentsAt(text, from))) return [];
      return [`${path}:${text.slice(0, from).split("\n").length}`];
    });
  });
}

/** What stands between the parenthesis at a place and the one that ends it. */
function argumentsAt(text: string, start: number): string {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === "(") depth++;
    else if (text[at] === ")" && --depth === 0) return text.slice(start, at);
  }
  return text.slice(start);
}
