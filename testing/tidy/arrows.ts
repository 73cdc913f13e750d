import type { SourceFile } from "./source-tree.ts";

/** Who may import whom, besides itself; cli, loadtest and files at the root may import all. */
const arrows: Readonly<Record<string, readonly string[]>> = {
  schemas: [],
  flow: ["schemas"],
  processors: ["flow", "schemas"],
  broker: ["schemas"],
  sinks: ["schemas"],
  "topologies/dsl": ["processors", "schemas"],
  topologies: ["topologies/dsl", "processors", "schemas"],
  runtime: ["topologies/dsl", "flow", "processors", "broker", "sinks", "schemas"],
  serving: ["sinks", "broker", "schemas"],
  audit: ["runtime", "broker", "sinks", "schemas"],
  stacks: ["runtime", "broker", "sinks", "schemas"],
  testing: ["runtime", "topologies/dsl", "flow", "processors", "broker", "sinks", "schemas"],
  gateway: ["serving", "runtime", "sinks", "schemas"],
};

/** Tests may also use the test tools, the gateway and the applications. */
const forTests = ["testing", "gateway", "stacks", "topologies", "topologies/dsl"];

/** Whether a file is a test or only serves tests: a suite, an oracle, a fixture. */
export function isTestFile(path: string): boolean {
  return (
    /\.(test|types)\.ts$/.test(path) || /(^|[/-])(conformance|naive|oracle|fixtures?)\b/.test(path)
  );
}

/** Imports that go against the arrows, as `from -> to`. */
export function arrowViolations(files: readonly SourceFile[]): string[] {
  const violations: string[] = [];
  for (const file of files) {
    const room = roomOf(file.path);
    const may = arrows[room];
    if (may === undefined) continue;
    const allowed = isTestFile(file.path) ? [room, ...may, ...forTests] : [room, ...may];
    for (const edge of file.imports) {
      if (!allowed.includes(roomOf(edge.path))) violations.push(`${file.path} -> ${edge.path}`);
    }
  }
  return violations;
}

/** Cycles of imports that exist at run time, each as the path that closes it. */
export function importCycles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const edge of byPath.get(path)?.imports ?? []) {
      if (!edge.typeOnly) visit(edge.path, [...trail, path]);
    }
    done.add(path);
  };
  for (const file of files) visit(file.path, []);
  return cycles;
}

/** Files started as processes or threads of their own: `new URL("./name…", import.meta.url)`. */
export function workerFiles(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    [...file.text.matchAll(/new URL\(\s*["'`]\.\/([\w-]+)/g)].flatMap(([, name]) => {
      const path = `${file.path.slice(0, file.path.lastIndexOf("/") + 1)}${name}`;
      return [`${path}.ts`, `${path}.cts`];
    }),
  );
}

/** Files that no entry reaches. */
export function unreachable(files: readonly SourceFile[], entries: readonly string[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const open = [...entries];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const edge of byPath.get(path)?.imports ?? []) open.push(edge.path);
  }
  return files.map((file) => file.path).filter((path) => !reached.has(path));
}

function roomOf(path: string): string {
  if (path.startsWith("topologies/dsl/")) return "topologies/dsl";
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : path;
}
