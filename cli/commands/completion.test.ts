import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { startMillrace } from "../millrace-fixture.ts";

/** What bash offers for the last of the words, which may be empty. */
function offered(script: string, ...words: string[]): string[] {
  const program = `${script}
COMP_WORDS=(millrace ${words.map((word) => `"${word}"`).join(" ")})
COMP_CWORD=${words.length}
_millrace
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", program], { encoding: "utf8", cwd: "/usr" })
    .trim()
    .split("\n")
    .sort();
}

test("bash completes commands, their commands, flags and the words of flags", async () => {
  const { code, out, err } = await startMillrace("completion", "bash").ended;
  assert.equal(code, 0, err);
  assert.ok(offered(out, "").includes("describe"));
  assert.deepEqual(offered(out, "des"), ["describe"]);
  assert.deepEqual(offered(out, "stack", ""), ["down", "status", "up"]);
  assert.deepEqual(offered(out, "run", "--stack", "c"), ["cluster", "compose"]);
  assert.deepEqual(offered(out, "run", "--log-level", "w"), ["warn"]);
  assert.deepEqual(offered(out, "run", "app.ts", "--scor"), ["--scoring-threads"]);
  assert.deepEqual(offered(out, "features", "get", "--at"), ["--at"]);
  assert.deepEqual(offered(out, "completion", ""), ["bash", "zsh"]);
  assert.deepEqual(offered(out, "run", "--data", "shar"), ["share"]);
  // A secret is not taken from the command line.
  assert.deepEqual(offered(out, "run", "--kafka-password"), ["--kafka-password-file"]);
});

test("zsh runs the same", async () => {
  const { out } = await startMillrace("completion", "zsh").ended;
  assert.match(out, /^#compdef millrace\n/);
  assert.match(out, /bashcompinit\n[\s\S]*complete .*-F _millrace millrace\n$/);
});

test("with --json an error is JSON, whoever finds it", async () => {
  const wrong: [string[], string, RegExp][] = [
    [["topics", "--json", "--nonsense"], "CONFIG_INVALID", /takes no such flag/],
    [["topics", "--json", "--data", "/nonexistent/data"], "DATA_MISSING", /There is no data/],
    [["features", "get", "view", "--json"], "USAGE", /missing required argument 'key'/],
    [["describe", "missing.ts", "--json"], "APPLICATION_MISSING", /There is no module/],
  ];
  for (const [args, code, message] of wrong) {
    const { out, err } = await startMillrace(...args).ended;
    const { error } = JSON.parse(err) as { error: { code: string; message: string } };
    assert.deepEqual([out, error.code], ["", code], err);
    assert.match(error.message, message);
  }
});
