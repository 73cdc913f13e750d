/** New kinds of things touch their own files and one list: sources and commits show it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { packageRoot } from "../schemas/package-root.ts";
import { isTestFile } from "./tidy/arrows.ts";
import { repositoryText, sourceFiles } from "./tidy/source-tree.ts";

interface Seam {
  readonly list: string;
  /** Files, or folders with a slash at the end, that a commit may touch which adds a line. */
  readonly files: (path: string) => readonly string[];
  /** Beginnings of the paths of those who mean one kind alone. @default none */
  readonly about?: readonly string[];
}

const seams: readonly Seam[] = [
  {
    list: "processors/aggregate/kinds.ts",
    files: (name) => [`processors/aggregate/${name}.ts`, `processors/aggregate/${name}.test.ts`],
  },
  {
    list: "schemas/transforms/kinds.ts",
    // Its verb is a method of a stream, which names what to tell it.
    files: (name) => [
      `schemas/transforms/${name}.ts`,
      `schemas/transforms/${name}.test.ts`,
      "schemas/transforms/transforms.test.ts",
      `topologies/dsl/${name}.ts`,
      "topologies/dsl/stream.ts",
      "topologies/dsl/dsl.types.ts",
    ],
  },
  {
    list: "schemas/steps/kinds.ts",
    files: (name) => [
      `schemas/steps/${name}.ts`,
      "schemas/payload.ts",
      "processors/",
      "topologies/dsl/",
      "testing/",
    ],
    // A strand is a view that came later; a training has a record of what was decided.
    about: [
      "schemas/plan-strands.ts",
      "runtime/hosting/strands.ts",
      "schemas/plan-evolution.ts",
      "runtime/services/train/",
    ],
  },
  {
    list: "schemas/formats/kinds.ts",
    files: (path) => [`schemas/formats/${path.split("/")[0]}/`],
  },
];

/** What a change of the product is told in. */
const page = /^(docs\/|changes\/|README\.md$|CONTRIBUTING\.md$)/;

const exported = /^export \{ (\w+) \} from "\.\/([a-z0-9-/]+)\.ts";$/gm;

const product = sourceFiles().filter(({ path }) => !isTestFile(path));

for (const { list, about = [] } of seams) {
  test(`nothing but its own file asks whether it is one of ${list}`, () => {
    const kinds = [...(repositoryText(list) ?? "").matchAll(exported)].map(([, name]) => name);
    assert.ok(kinds.length > 1, "the list is written as this test reads it");
    const folder = list.slice(0, list.lastIndexOf("/") + 1);
    const asked = new RegExp(`case "(${kinds.join("|")})":|[kK]ind [=!]== "(${kinds.join("|")})"`);
    const isOwn = (path: string) => [folder, ...about].some((each) => path.startsWith(each));
    const who = product.filter(({ path, text }) => !isOwn(path) && asked.test(text));
    assert.deepEqual(
      who.map(({ path }) => path),
      [],
    );
  });
}

function git(...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: packageRoot(), encoding: "utf8" }).trim();
}

function hasHistory(): boolean {
  try {
    return git("rev-parse", "--is-shallow-repository") === "false";
  } catch {
    return false;
  }
}

for (const { list, files } of seams) {
  test(`a commit that adds to ${list} touches only the file of what it adds, and its test`, (t) => {
    if (!hasHistory()) return t.skip("the history is not here");
    const commits = git("log", "--no-merges", "--diff-filter=M", "--format=%H", "--", list);
    for (const commit of commits.split("\n").filter((each) => each !== "")) {
      const change = git("show", "--format=", "--unified=0", commit, "--", list);
      const added = [...change.matchAll(/^\+export .* from "\.\/([a-z0-9-/]+)\.ts";$/gm)];
      const lines = change.split("\n").filter((line) => /^[+-](?![+-])/.test(line));
      if (added.length === 0 || lines.some((line) => line.startsWith("-"))) continue;
      const allowed = [list, ...added.flatMap(([, name = ""]) => files(name))];
      const touched = git("show", "--format=", "--name-only", commit).split("\n");
      const isAllowed = (path: string) =>
        allowed.some((each) => (each.endsWith("/") ? path.startsWith(each) : path === each));
      const others = touched.filter((path) => !isAllowed(path) && !page.test(path));
      assert.deepEqual(others, [], `${commit} adds ${added.map(([, name]) => name)}`);
      assert.equal(lines.length, added.length, `${commit}: one line for each`);
    }
  });
}
