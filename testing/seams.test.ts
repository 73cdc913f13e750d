/** New kinds of things touch their own files and one list: sources and commits show it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { packageRoot } from "../schemas/package-root.ts";
import { isTestFile } from "./tidy/arrows.ts";
import { exceptions, isAtHome, isExcepted } from "./tidy/kind-homes.ts";
import { kindNames } from "./tidy/kind-names.ts";
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
    list: "schemas/encodings/kinds.ts",
    files: (name) => [`schemas/encodings/${name}.ts`, `schemas/encodings/${name}.test.ts`],
  },
  {
    list: "schemas/formats/kinds.ts",
    files: (path) => [`schemas/formats/${path.split("/")[0]}/`],
  },
];

/** What a change of the product is told in. */
const page = /^(docs\/|changes\/|README\.md$|CONTRIBUTING\.md$)/;

const exported = /^export \{ (\w+) \} from "\.\/([a-z0-9-/]+)\.ts";$/gm;

const product = sourceFiles().filter(
  ({ path }) => !isTestFile(path) && !path.startsWith("testing/tidy/"),
);

for (const { list, about = [] } of seams) {
  test(`nothing but its own file asks whether it is one of ${list}`, () => {
    const lines = [...(repositoryText(list) ?? "").matchAll(exported)];
    // A plan tells of it by the name of its verb, or of its file.
    const kinds = lines.flatMap(([, name = "", path = ""]) => [name, path.split("/").at(-1)]);
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

/** By kind of step the types that only its own file says. */
function stepKinds(): Map<string, string[]> {
  const list = repositoryText("schemas/steps/kinds.ts") ?? "";
  return new Map(
    [...list.matchAll(exported)].map(([, kind = "", file]) => {
      const own = repositoryText(`schemas/steps/${file}.ts`) ?? "";
      const types = [...own.matchAll(/^export (?:interface|type) (\w+)/gm)];
      return [kind, types.flatMap(([, name]) => name ?? [])];
    }),
  );
}

test("a kind of step is named in its own files and in registries alone", () => {
  const kinds = stepKinds();
  assert.ok(kinds.size > 1, "the list is written as this test reads it");
  const strangers = product
    .flatMap((file) => kindNames(file, kinds))
    .filter((naming) => !isAtHome(naming));
  const unasked = strangers.filter((each) => !exceptions.some((one) => isExcepted(each, one)));
  const places = unasked.map(({ path, line, text }) => `${path}:${line}: ${text}`);
  assert.deepEqual(places, [], "ask plan-facts.ts, or give the kind a fact");
  const idle = exceptions.filter((one) => !strangers.some((each) => isExcepted(each, one)));
  assert.deepEqual(idle, [], "an exception that nobody needs");
});

test("a naming of a kind is seen however it is written", () => {
  const kinds = new Map([["view", ["ViewSpec"]]]);
  const named = (text: string) => kindNames({ path: "a.ts", text }, kinds).map((each) => each.kind);
  for (const text of [
    'stepsOf(plan, "view")',
    "step.kind === 'view'",
    'switch (kind) { case "view": }',
    `parts.get(\`view \${id}\`)`,
    'steps["view"]',
    'import type { ViewSpec } from "./plan.ts";',
  ]) {
    assert.ok(named(text).includes("view"), text);
  }
  for (const text of [
    "type All = { readonly [K in StepKind]: string };",
    "const all: Record<StepKind, string> = names;",
    'steps.some(({ spec }) => "partitionField" in spec)',
  ]) {
    assert.deepEqual(named(text), ["*"], text);
  }
  for (const text of ['// "view"', "/** {@link ViewSpec} */", 'const text = "a view of it";']) {
    assert.deepEqual(named(text), [], text);
  }
});

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
