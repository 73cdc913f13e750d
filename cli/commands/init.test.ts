import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../schemas/package-root.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-init-"));
after(() => rmSync(folder, { recursive: true }));
const main = fileURLToPath(new URL("../main.js", import.meta.url));

function millrace(args: readonly string[], cwd = folder) {
  return spawnSync(process.execPath, [main, ...args], { cwd, encoding: "utf8" });
}

const packageOf = (project: string) =>
  JSON.parse(readFileSync(join(folder, project, "package.json"), "utf8"));

test("a new folder gets a project that names this very Millrace, and says what to do", () => {
  const { status, stdout } = millrace(["init", "My App"]);
  assert.equal(status, 0);
  assert.match(stdout, /cd My App\n {2}npm install\n {2}npm start\n/);
  const made = packageOf("My App");
  assert.deepEqual(
    [made.name, made.type, made.private, made.scripts.start],
    ["my-app", "module", true, "millrace run app.ts"],
  );
  assert.equal(
    join(folder, "My App", made.dependencies.millrace.slice("file:".length)),
    packageRoot(),
  );
  assert.match(made.dependencies.chdb, /^\d/);
  assert.match(readFileSync(join(folder, "My App", ".gitignore"), "utf8"), /\.millrace/);
});

test("a package.json that stands there is completed, its own scripts and versions kept", () => {
  mkdirSync(join(folder, "begun"));
  const begun = {
    name: "begun",
    type: "commonjs",
    scripts: { test: 'echo "Error: no test specified" && exit 1', start: "node mine.js" },
    dependencies: { millrace: "9.9.9", mine: "1.0.0" },
  };
  writeFileSync(join(folder, "begun", "package.json"), JSON.stringify(begun));
  assert.equal(millrace(["init", "."], join(folder, "begun")).status, 0);
  const made = packageOf("begun");
  assert.deepEqual(made.dependencies, {
    ...begun.dependencies,
    chdb: packageOf("My App").dependencies.chdb,
  });
  assert.deepEqual(
    [made.type, made.scripts.start, made.scripts.test],
    ["module", "node mine.js", "tsc && cd build && node --test"],
  );
});

test("nothing is overwritten", () => {
  mkdirSync(join(folder, "full"));
  writeFileSync(join(folder, "full", "app.ts"), "mine");
  const { status, stderr } = millrace(["init", "full"]);
  assert.deepEqual([status, readFileSync(join(folder, "full", "app.ts"), "utf8")], [2, "mine"]);
  assert.match(stderr, /^PROJECT_EXISTS: full has app\.ts already/);
});

test("the types of the project are what its contract says", () => {
  const args = ["generate", "schemas/payment.avsc", "--out", "schemas/generated.ts", "--check"];
  const { status, stderr } = millrace(args, join(packageRoot(), "cli", "init", "project"));
  assert.deepEqual([status, stderr], [0, ""]);
});
