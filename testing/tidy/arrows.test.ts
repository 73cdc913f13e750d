import assert from "node:assert/strict";
import { test } from "node:test";
import { arrowViolations, importCycles, unreachable } from "./arrows.ts";
import { inheritedEnvironments } from "./child-processes.ts";
import { fieldsWithoutDefault } from "./options.ts";
import { importsOf, type SourceFile } from "./source-tree.ts";

function source(path: string, text: string): SourceFile {
  return { path, text, lines: text.split("\n"), imports: importsOf(path, text) };
}

test("an import against an arrow is found, in tests only where no tool of tests is meant", () => {
  const files = [
    source("processors/a.ts", 'import { b } from "../sinks/b.ts";'),
    source("topologies/dsl/a.ts", 'export type { b } from "../flights/b.ts";'),
    source("runtime/engine/a.ts", "const b = await import" + '("../../cli/b.ts");'),
    source("runtime/engine/a.test.ts", 'import { b } from "../../testing/b.ts";'),
    source("runtime/engine/b.test.ts", 'import { b } from "../../cli/b.ts";'),
    source("topologies/flights/a.ts", 'import {\n  b,\n} from "../dsl/b.ts";'),
    source("cli/a.ts", 'import "../gateway/b.ts";'),
    source("serving/a.ts", 'import type { B } from "../runtime/hosting/b.ts";'),
    source("sinks/sink.ts", 'import type { B } from "../broker/record-batch/b.ts";'),
  ];
  assert.deepEqual(arrowViolations(files), [
    "processors/a.ts -> sinks/b.ts",
    "topologies/dsl/a.ts -> topologies/flights/b.ts",
    "runtime/engine/a.ts -> cli/b.ts",
    "runtime/engine/b.test.ts -> cli/b.ts",
    "serving/a.ts -> runtime/hosting/b.ts",
    "sinks/sink.ts -> broker/record-batch/b.ts",
  ]);
});

test("a cycle of values is found, one closed by types alone is none", () => {
  const a = source("schemas/a.ts", 'import { b } from "./b.ts";');
  const value = source("schemas/b.ts", 'import { a } from "./a.ts";');
  const type = source("schemas/b.ts", 'import type { A } from "./a.ts";');
  assert.deepEqual(importCycles([a, value]), ["schemas/a.ts -> schemas/b.ts -> schemas/a.ts"]);
  assert.deepEqual(importCycles([a, type]), []);
});

test("a file that no entry leads to is dead", () => {
  const files = [
    source("index.ts", 'export { b } from "./schemas/b.ts";'),
    source("schemas/b.ts", "export const b = 1;"),
    source("schemas/dead.ts", 'import { b } from "./b.ts";'),
  ];
  assert.deepEqual(unreachable(files, ["index.ts"]), ["schemas/dead.ts"]);
});

test("an optional field of options without @default is found", () => {
  const text = [
    "export interface PumpOptions {",
    "  readonly topic: string;",
    "  /** Rows a block. @default 10000 */",
    "  readonly rows?: number;",
    "  /** Lines, too.",
    "   * @default 5",
    "   */",
    "  readonly lines?: number;",
    "  readonly silent?: boolean;",
    "}",
    "export interface Row {",
    "  readonly free?: number;",
    "}",
  ].join("\n");
  assert.deepEqual(fieldsWithoutDefault(source("sinks/a.ts", text)), [
    "sinks/a.ts: PumpOptions.silent",
  ]);
});

test("a program that is started with the environment as it is is found", () => {
  const text = [
    'import { type ChildProcess, execFile, fork } from "node:child_process";',
    "const run = promisify(execFile);",
    'fork("a.js", [f(1)], { env: {} });',
    'await run("tar", ["-x"], { cwd });',
    "await promisify(execFile)(java, args, { env: ours(), timeout });",
    'fork("b.js");',
  ].join("\n");
  assert.deepEqual(inheritedEnvironments([source("sinks/a.ts", text)]), [
    "sinks/a.ts:4",
    "sinks/a.ts:6",
  ]);
  assert.deepEqual(inheritedEnvironments([source("sinks/b.ts", 'run("tar");')]), []);
});
