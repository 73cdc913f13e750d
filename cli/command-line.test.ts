import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { table } from "./table.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-cli-"));
after(() => rmSync(folder, { recursive: true }));
const main = fileURLToPath(new URL("./main.js", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** Until the first line, ms. */
  readonly firstLineMs: number;
}

function millrace(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const started = performance.now();
  const child = spawn(process.execPath, [main, ...args], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err, firstLineMs] = ["", "", Number.POSITIVE_INFINITY];
  child.stdout.on("data", (chunk) => {
    if (out === "") firstLineMs = performance.now() - started;
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, out, err, firstLineMs }));
  });
}

test("help is printed with examples and exit code 0", async () => {
  const { code, out } = await millrace(["run", "--help"]);
  assert.equal(code, 0);
  for (const part of ["--scoring-threads", "Examples:", "shift-12h@2001-03-03"]) {
    assert.ok(out.includes(part), part);
  }
});

test("usage errors exit with 2 and say what to do", async () => {
  const wrong: [string[], RegExp][] = [
    [["nonsense"], /unknown command 'nonsense'/],
    [["run", "--nonsense"], /unknown option '--nonsense'/],
    [["run", "--from", "2001-02-01"], /CONFIG_INVALID.*must lie before to/s],
    [["run", "--inject", "late:1"], /INJECTION_INVALID.*late:1%/s],
    [["run", "--to", "2002-01-01"], /RANGE_OUTSIDE.*2001-07-02/s],
    [["features", "get", "origin_delays"], /missing required argument 'key'/],
    [["features", "get", "origin_delays", "ORD", "--at", "noon"], /--at: "noon"/],
    [["dead-letters", "list", "--limit", "0"], /--limit: "0"/],
  ];
  const outcomes = await Promise.all(wrong.map(([args]) => millrace(args)));
  for (const [index, { code, err }] of outcomes.entries()) {
    const [args, message] = wrong[index] as [string[], RegExp];
    assert.deepEqual([code, message.test(err)], [2, true], `${args.join(" ")}: ${err}`);
  }
});

test("config shows each value and where it came from", async () => {
  writeFileSync(join(folder, "millrace.config.json"), JSON.stringify({ scoringThreads: 2 }));
  const { code, out } = await millrace(["config", "--to", "2001-02-01"], { MILLRACE_SEED: "7" });
  assert.equal(code, 0);
  assert.match(out, /^to +2001-02-01 +--to$/m);
  assert.match(out, /^seed +7 +MILLRACE_SEED$/m);
  assert.match(out, /^scoringThreads +2 +millrace\.config\.json: scoringThreads$/m);
  assert.match(out, /^stack +embedded +default$/m);
  rmSync(join(folder, "millrace.config.json"));
});

test("describe needs no run", async () => {
  const { code, out } = await millrace(["describe"]);
  assert.deepEqual([code, out.startsWith("topology flights\n")], [0, true]);
});

test("a run says its first line before it loads anything heavy", async () => {
  const { out, firstLineMs } = await millrace(["run", "--inject", "nonsense:1"]);
  assert.match(out, /^Millrace: flights from 2001-01-01 to 2001-01-15 \(UTC\)/);
  assert.ok(firstLineMs < 1_000, `${firstLineMs} ms`);
});

test("a dry replay lists the flights a day in UTC", async () => {
  const { code, out, err } = await millrace(["replay", "--dry-run", "--to", "2001-01-03"]);
  assert.equal(code, 0, err);
  assert.match(out, /^2001-01-01 +10,895 +8,792 +25\.9 %$/m);
  assert.match(out, /^2001-01-02 +16,431 +16,370 +32\.5 %$/m);
});

test("columns of numbers stand to the right", () => {
  assert.equal(
    table(
      ["name", "n"],
      [
        ["a", "1,000"],
        ["bcdef", "-"],
        ["c", "20 %"],
      ],
    ),
    "name       n\na      1,000\nbcdef      -\nc       20 %",
  );
});
