import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { packageRoot } from "../../schemas/package-root.ts";

/** One source file as the tidy rules see it. */
export interface SourceFile {
  /** Path from the package root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
  /** Relative imports, as paths from the package root. */
  readonly imports: readonly ImportEdge[];
}

export interface ImportEdge {
  readonly path: string;
  /** Types alone: gone after compilation. */
  readonly typeOnly: boolean;
}

/** The folders of the repository that hold sources. */
export const rooms = [
  "schemas",
  "flow",
  "processors",
  "topologies",
  "broker",
  "sinks",
  "runtime",
  "serving",
  "audit",
  "stacks",
  "gateway",
  "cli",
  "examples",
  "testing",
  "loadtest",
] as const;

const root = packageRoot();

/** Every source of the rooms and at the root but declarations (.d.ts), in path order. */
export function sourceFiles(): readonly SourceFile[] {
  const paths = ["index.ts", "run.ts", "client.ts"];
  for (const room of rooms) {
    const folder = join(root, room);
    if (!existsSync(folder)) continue;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !/(?<!\.d)\.(c?ts|m?js)$/.test(entry.name)) continue;
      paths.push(relative(root, join(entry.parentPath, entry.name)).split("\\").join("/"));
    }
  }
  return paths.sort().map(readSource);
}

/** Text of a file of the repository, or null when it does not exist. */
export function repositoryText(path: string): string | null {
  const file = join(root, path);
  return existsSync(file) ? readFileSync(file, "utf8") : null;
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), "utf8");
  return { path, text, lines: text.split("\n"), imports: importsOf(path, text) };
}

const statement = /^[ \t]*(?:import|export)\s+(type\s)?[^;"']*?from\s+"(\.[^"]+)"/gm;
const bare = /^[ \t]*import\s+"(\.[^"]+)"/gm;
const dynamic = /import\(\s*"(\.[^"]+)"/g;

/** Relative imports and re-exports of a source text, dynamic ones included. */
export function importsOf(path: string, text: string): ImportEdge[] {
  const edges: ImportEdge[] = [];
  const add = (target: string, typeOnly: boolean): void => {
    edges.push({ path: posix.join(dirname(path), target), typeOnly });
  };
  for (const [, typeOnly, target] of text.matchAll(statement)) {
    if (target !== undefined) add(target, typeOnly !== undefined);
  }
  for (const [, target] of text.matchAll(bare)) if (target !== undefined) add(target, false);
  for (const [, target] of text.matchAll(dynamic)) if (target !== undefined) add(target, false);
  return edges;
}
