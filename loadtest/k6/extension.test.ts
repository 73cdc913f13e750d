import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { requirement } from "../../testing/requirements-fixture.ts";
import { compileFlags, extensionFolder } from "./build-k6.ts";
import { findGo, goEnvironment, goVersion } from "./find-go.ts";

const skip = requirement("go");

/** What the program said, which has to end well. */
function output(program: string, args: readonly string[]): string {
  const options = { cwd: extensionFolder, env: goEnvironment(), encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  assert.equal(status, 0, `${args.join(" ")}\n${stdout}${stderr}`);
  return stdout;
}

test("the Go tests of the extension pass, its sources are formatted", { skip }, async () => {
  const go = await findGo();
  assert.equal(output(join(dirname(go), "gofmt"), ["-l", "."]), "");
  output(go, ["test", ...compileFlags, "./stream"]);
});

test("the Go that is fetched where an old one is found is the one that go.mod asks for", () => {
  const text = readFileSync(join(extensionFolder, "go.mod"), "utf8");
  assert.equal(/^go (.+)$/m.exec(text)?.[1], goVersion);
});
