import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requirement } from "../../testing/requirements-fixture.ts";
import { askMillrace, killStarted, startMillrace } from "../millrace-fixture.ts";

after(killStarted);

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

/**
 * Types each line and a tab into a zsh that has loaded nothing, and says what the lines became; §
 * is a dollar, which would begin something here.
 */
const zshDriver = String.raw`zmodload zsh/zpty
zpty -b shell 'cd /usr; stty -echo; PS1= TERM=dumb exec zsh -f -i 2>&1'
zpty -w shell "fpath=(§1 \§fpath); autoload -U compinit; compinit -u -D; PS1="
zpty -w shell "millrace() { print -r -- \"<\"\"<\§*>>\" }; print rea\"\"dy"
zpty -m -r shell line '*ready*'
for each in "§{@[2,-1]}"; do
  zpty -n -w shell "millrace §each"§'\t'
  zpty -n -w shell §'\n'
  zpty -m -r shell line '*<<*>>*'
  print -r -- "§{§{line##*<<}%%>>*}"
done
zpty -d shell`.replaceAll("§", "$");

test("zsh completes the same, from the first tab on", {
  skip: requirement("zsh"),
  timeout: 60_000,
}, async () => {
  const { out } = await askMillrace("completion", "zsh");
  assert.match(out, /^#compdef millrace\n/);
  const folder = mkdtempSync(join(tmpdir(), "millrace-zsh-"));
  try {
    writeFileSync(join(folder, "_millrace"), out);
    const lines = {
      des: "describe",
      "stack u": "stack up",
      "run --stack cl": "run --stack cluster",
      "run --log-level w": "run --log-level warn",
      "run app.ts --scor": "run app.ts --scoring-threads",
      "features get --at": "features get --at",
      "completion z": "completion zsh",
      "run --data shar": "run --data share",
      "run --kafka-passw": "run --kafka-password-file",
    };
    const typed = Object.keys(lines);
    const completed = execFileSync("zsh", ["-f", "-c", zshDriver, "zsh", folder, ...typed], {
      encoding: "utf8",
      timeout: 50_000,
    });
    assert.deepEqual(completed.trimEnd().split("\n"), Object.values(lines));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("with --json an error is JSON, whoever finds it", async () => {
  const wrong: [string[], string, RegExp][] = [
    [["topics", "--json", "--nonsense"], "CONFIG_INVALID", /takes no such flag/],
    [["topics", "--json", "--data", "/nonexistent/data"], "DATA_MISSING", /There is no data/],
    [["features", "get", "view", "--json"], "USAGE", /missing required argument 'key'/],
    [["describe", "missing.ts", "--json"], "APPLICATION_MISSING", /There is no module/],
  ];
  for (const [args, code, message] of wrong) {
    const { out, err } = await askMillrace(...args);
    const { error } = JSON.parse(err) as { error: { code: string; message: string } };
    assert.deepEqual([out, error.code], ["", code], err);
    assert.match(error.message, message);
  }
});
