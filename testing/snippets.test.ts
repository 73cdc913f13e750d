/** The TypeScript of the documentation is code that is compiled. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../schemas/package-root.ts";
import { repositoryText } from "./tidy/source-tree.ts";

const root = packageRoot();
const folder = join(root, ".build", "snippets");
after(() => rmSync(folder, { recursive: true, force: true }));

interface Snippet {
  /** Page and line. */
  readonly at: string;
  /** File of the repository that it is cut from; null: it stands for itself. */
  readonly file: string | null;
  readonly code: string;
}

const pages = [
  ...["README.md", "CONTRIBUTING.md"].filter((page) => repositoryText(page) !== null),
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

const snippets = pages.flatMap((page) => {
  const text = repositoryText(page) ?? "";
  return [...text.matchAll(/^ *```(?:ts|python)(?: file=(\S+))?\n([\s\S]*?)^ *```/gm)].map(
    ({ index, 1: file = null, 2: code = "" }): Snippet => ({
      at: `${page}:${text.slice(0, index).split("\n").length}`,
      file,
      code,
    }),
  );
});

test("a snippet that names a file is in that file, as it stands there", () => {
  const wrong = snippets.filter(
    ({ file, code }) => file !== null && !repositoryText(file)?.includes(code.trim()),
  );
  assert.ok(snippets.length >= 2);
  assert.deepEqual(
    wrong.map(({ at, file }) => `${at}: this is not in ${file}`),
    [],
  );
});

test("a snippet that names no file compiles by itself, against the package", () => {
  const own = snippets.filter(({ file }) => file === null);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const names = new Map<string, Snippet>();
  for (const [index, snippet] of own.entries()) {
    const name = `snippet-${index}.ts`;
    names.set(name, snippet);
    writeFileSync(join(folder, name), snippet.code);
  }
  // "millrace" is this package: a package may import itself by its name.
  const compilerOptions = { noEmit: true, noUnusedLocals: false, noUnusedParameters: false };
  const config = {
    extends: "../../tsconfig.json",
    compilerOptions,
    include: ["*.ts"],
    exclude: [],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  if (own.length === 0) return;
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const args = [compiler, "-p", folder, "--pretty", "false"];
  const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
  const errors = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.replace(/^(snippet-\d+\.ts)/, (name) => names.get(name)?.at ?? name));
  assert.deepEqual(errors, []);
});
