import type { SourceFile } from "./source-tree.ts";

/** Optional fields of exported `…Options` interfaces without `@default`, as `file: Name.field`. */
export function fieldsWithoutDefault(file: SourceFile): string[] {
  const found: string[] = [];
  let options: string | null = null;
  let doc = "";
  for (const line of file.lines) {
    const opened = /^export interface (\w+Options)\b/.exec(line);
    if (opened) options = opened[1] ?? null;
    else if (line === "}") options = null;
    if (options === null) continue;
    const trimmed = line.trim();
    if (trimmed.startsWith("/**") || trimmed.startsWith("*")) {
      doc = trimmed.startsWith("/**") ? trimmed : `${doc}\n${trimmed}`;
      continue;
    }
    const field = /^ {2}readonly (\w+)\?:/.exec(line);
    if (field && !doc.includes("@default")) found.push(`${file.path}: ${options}.${field[1]}`);
    if (/^ {2}\S/.test(line)) doc = "";
  }
  return found;
}
