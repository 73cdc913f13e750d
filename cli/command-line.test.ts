import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { flightsApp, ofFlights } from "../testing/flights-app-fixture.ts";
import { askMillraceIn, killStarted } from "./millrace-fixture.ts";
import { tellOutage } from "./run/outage-text.ts";
import { table } from "./table.ts";
import { verifyText } from "./verify/print.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-cli-"));
after(() => {
  killStarted();
  rmSync(folder, { recursive: true });
});
const main = fileURLToPath(new URL("./main.js", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A command in one process with the others: what follows is about what it says. */
function millrace(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  return askMillraceIn({ cwd: folder, env: { PATH: process.env["PATH"], ...env } }, ...args);
}

/** A command as a user starts it. */
function started(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [main, ...ofFlights(args)], {
    cwd: folder,
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

test("help is printed with examples and exit code 0", async () => {
  const { code, out } = await started(["run", "--help"]);
  assert.equal(code, 0);
  for (const part of ["--scoring-threads", "Examples:", "shift-12h@2001-03-03"]) {
    assert.ok(out.includes(part), part);
  }
});

test("help fits into 80 columns, words to choose from included", async () => {
  for (const command of [["run"], ["topics"], ["stack", "up"], ["config"]]) {
    const { out } = await millrace([...command, "--help"]);
    const long = out.split("\n").filter((line) => line.length > 80 && !line.startsWith("  mill"));
    assert.deepEqual(long, [], command.join(" "));
  }
  const { out } = await millrace(["run", "--help"]);
  assert.match(out, /One\s+of\s+embedded, local, compose, cluster\./);
  assert.match((await millrace(["stack", "up", "--help"])).out, /default:\s+\.millrace\/local\)/);
});

test("a command's own options stand before those that say where to look", async () => {
  for (const [option, ...command] of [
    ["--challenger", "models", "route"],
    ["--why", "models", "promote"],
    ["--query", "score"],
    ["--limit", "dead-letters", "list"],
  ]) {
    const { out } = await millrace([...command, "--help"]);
    const [own, stack] = [out.indexOf(`  ${option} `), out.indexOf("Where to look:")];
    assert.ok(own > 0 && own < stack, `${command.join(" ")}: ${own} ${stack}`);
    assert.ok(out.indexOf("  --data ") > stack);
  }
});

test("usage errors exit with 2 and say what to do", async () => {
  const wrong: [string[], RegExp][] = [
    [["nonsense"], /unknown command 'nonsense'/],
    [["--nonsense"], /unknown option '--nonsense'/],
    [["run", "--to"], /option '--to <time>' argument missing/],
    [["run", "now"], /now: this is no module/],
    [["run", "--nonsense"], /CONFIG_INVALID.*--nonsense: run takes no such flag/s],
    [["stack", "status", "--kafka-prt", "1"], /stack status takes no .*mean --kafka-port\?/s],
    [["describe", "--jsn"], /CONFIG_INVALID.*did you mean --json\?/s],
    [["dead-letters", "list", "--limt", "5"], /dead-letters list takes no .*mean --limit\?/s],
    [["run", "--from", "2001-02-01"], /CONFIG_INVALID.*must lie before to/s],
    [["run", "--inject", "late:1"], /CONFIG_INVALID.*late:1%/s],
    [["run", "--to", "2002-01-01"], /CONFIG_INVALID.*2001-07-02/s],
    [["verify", flightsApp, "--points", "some"], /--points: "some"/],
    [["features", "get", "origin_delays"], /missing required argument 'key'/],
    [["features", "get", "origin_delays", "ORD", "--at", "noon"], /--at: "noon"/],
    [["dead-letters", "list", "--limit", "0"], /--limit: "0"/],
  ];
  assert.equal((await started(["nonsense"])).code, 2);
  for (const [args, message] of wrong) {
    const { code, err } = await millrace(args);
    assert.deepEqual([code, message.test(err)], [2, true], `${args.join(" ")}: ${err}`);
  }
});

test("everything that is wrong with a configuration is said in one error", async () => {
  writeFileSync(join(folder, "millrace.config.json"), JSON.stringify({ sed: 2 }));
  const wrong = ["--tu", "2001-02-01", "--sead=7", "--to", "2002-01-01", "--inject", "noise:1%"];
  const env = { MILLRACE_SCORING_THREAD: "2", MILLRACE_HTTP: "x" };
  for (const command of ["run", "replay", "config"]) {
    const { code, out, err } = await millrace([command, ...wrong], env);
    assert.deepEqual([code, out], [2, ""], err);
    for (const part of [
      `--tu: ${command} takes no such flag (did you mean --to?)`,
      `--sead: ${command} takes no such flag (did you mean --seed?)`,
      "MILLRACE_SCORING_THREAD: there is no such setting (did you mean MILLRACE_SCORING_THREADS?)",
      "millrace.config.json: sed: there is no such setting (did you mean",
      'MILLRACE_HTTP: "x": write a port',
      "--to: the flights lie between",
      '--inject: "noise:1%": there is no such injection',
      "has 7 to correct",
    ]) {
      assert.ok(err.includes(part), `${command}: ${part} in ${err}`);
    }
  }
  const looked = await millrace(["features", "get", "v", "--at", "noon", "--key", "x"], env);
  assert.match(
    looked.err,
    /has 5 to correct:\n- --key: features get takes no such flag\n- --at: "noon"/,
  );
  rmSync(join(folder, "millrace.config.json"));
});

test("where the summary cannot be written is known before the run begins", async () => {
  for (const file of [folder, join(folder, "nowhere", "summary.json")]) {
    const { code, out, err } = await millrace(["run", "--summary", file]);
    assert.deepEqual([code, out], [2, ""], err);
    assert.match(err, /--summary: (.* is a directory|there is no directory .*nowhere)/);
  }
});

test("a data directory that cannot be written is said at once, without a stack", async () => {
  writeFileSync(join(folder, "file"), "no directory");
  const { code, err } = await millrace(["run", "--data", "file"]);
  assert.deepEqual([code, err.trim().split("\n").length], [2, 1], err);
  assert.match(err, /^DATA_UNWRITABLE: .* file cannot be written: .*is no directory/);
});

test("--version prints the version of the package", async () => {
  const { code, out } = await millrace(["--version"]);
  assert.equal(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+\n$/);
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
  const { code, out } = await millrace(["describe", flightsApp]);
  assert.deepEqual([code, out.startsWith("topology flights\n")], [0, true]);
});

test("a run says its first line before it loads anything heavy", async () => {
  writeFileSync(join(folder, "file"), "no directory");
  // What was loaded when it ended: it goes no further than that line.
  const [hook, loaded] = [join(folder, "loaded.cjs"), join(folder, "loaded.json")];
  writeFileSync(
    hook,
    `process.on("exit", () => require("node:fs").writeFileSync(${JSON.stringify(loaded)},
      JSON.stringify(process.report.getReport().sharedObjects)));`,
  );
  const env = { NODE_OPTIONS: `--require=${hook}` };
  const { out } = await started(["run", "--data", "file/data"], env);
  assert.match(out, /^Millrace: flights from 2001-01-01 to 2001-01-15 \(UTC\)/);
  const libraries = JSON.parse(readFileSync(loaded, "utf8")) as string[];
  assert.ok(libraries.length > 0);
  assert.deepEqual(
    libraries.filter((path) => path.includes("node_modules")),
    [],
  );
});

test("a dry replay lists the flights a day in UTC", async () => {
  const { code, out, err } = await millrace(["replay", "--dry-run", "--to", "2001-01-03"]);
  assert.equal(code, 0, err);
  assert.match(out, /^2001-01-01 +10,894 +8,791 +25\.9 %$/m);
  assert.match(out, /^2001-01-02 +16,432 +16,371 +32\.5 %$/m);
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

test("a table shows what a producer wrote, and no control of a terminal", () => {
  const shown = table(["key", "reason"], [["\u001b]0;x\u0007", "a\u009b[2J"]]);
  assert.equal(shown, "key               reason\n\\u001b]0;x\\u0007  a\\u009b[2J");
  const problems = ["predicted/0: 1 records have no prediction: \u001b[2J"];
  assert.ok(!verifyText({ sources: [], scorings: [], tables: [], problems }).includes("\u001b"));
  assert.ok(!tellOutage("Kafka", "said \u001b[2J").includes("\u001b"));
});

test("the servers of a stack are shown with the file of their password, up or down", async () => {
  const data = join(folder, "no-stack");
  const { code, out } = await millrace(["stack", "status", "--data", data]);
  assert.equal(code, 1);
  assert.ok(out.includes(`password in ${join(data, "clickhouse", "spool", "password")}`), out);
});
