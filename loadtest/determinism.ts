/**
 * Runs the same flights on the embedded stack and, again and again, on the local one: with one
 * source slowed and then the other, by one, two and three workers, undisturbed and with random
 * kills of workers. Feature rows, predictions, outcomes and models must be equal every time.
 *
 * node dist/loadtest/determinism.js --help
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Summary } from "../cli/summary/summary.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { flights } from "../topologies/flights/flights.ts";
import { circumstances } from "./circumstances.ts";
import { allDigests } from "./digests.ts";
import { programFlags } from "./program-flags.ts";
import { millrace, querySql, RunProcess } from "./run-process.ts";
import { seededRandom } from "./seeded-random.ts";

const { values } = programFlags({
  command: "node dist/loadtest/determinism.js",
  does: "Runs the same flights on the embedded stack and, again and again, on the local one, slowed, by several workers and with kills: feature rows, predictions, outcomes and models have to be equal every time.",
  flags: {
    from: { type: "string", takes: "DATE", default: "2001-01-01", help: "first event" },
    to: {
      type: "string",
      takes: "DATE",
      default: "2001-01-04T12:00",
      help: "behind the last event",
    },
    slow: {
      type: "string",
      takes: "TOPIC,…",
      default: "flights.arrivals,flights.departures",
      help: "sources that are slowed, in turn; none: none",
    },
    factor: { type: "string", takes: "N", default: "10", help: "times that they are slowed" },
    workers: { type: "string", takes: "N,…", default: "1,2,3", help: "processes, in turn" },
    kills: {
      type: "string",
      takes: "N,…",
      default: "0,5",
      least: 0,
      help: "SIGKILLs of workers, in turn",
    },
    seed: { type: "string", takes: "N", default: "1", least: 0, help: "when it kills" },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where a run left something else",
});

interface Case {
  readonly slow: string;
  readonly workers: number;
  readonly kills: number;
}

interface Result extends Case {
  readonly seconds: number;
  readonly killed: number;
  readonly exit: number | null;
  readonly balanced: boolean;
  readonly digest: string;
}

/** What is asked for, in the order of the report. */
function cases(): Case[] {
  const workers = values.workers.split(",").map(Number);
  return values.kills
    .split(",")
    .map(Number)
    .flatMap((kills) =>
      values.slow
        .split(",")
        .flatMap((slow) => workers.map((count) => ({ slow, workers: count, kills }))),
    );
}

const range = ["--from", values.from, "--to", values.to];

/** How often a run is asked how far it is, ms, and by how much a kill comes later at most. */
const [lookEveryMs, jitterMs] = [50, 1_000];

/**
 * Kills a random worker whenever the run has come as far as the next of these shares of the range;
 * takes those away that it has used.
 */
async function killWorkers(run: RunProcess, at: number[], random: () => number): Promise<void> {
  let ended = false;
  void run.ended.then(() => {
    ended = true;
  });
  for (let share = at[0]; share !== undefined && !ended; share = at[0]) {
    while (!ended && (await shareOf(run)) < share) await sleep(lookEveryMs);
    await sleep(random() * jitterMs);
    const victims = [...run.workers.values()];
    try {
      process.kill(victims[Math.floor(random() * victims.length)] as number, "SIGKILL");
      at.shift();
    } catch {
      // It is gone already: a new process of it is on its way, or the run has ended.
    }
    // A run that is killed itself needs a moment to be gone.
    await Promise.race([run.ended, sleep(lookEveryMs)]);
  }
}

/** How far all tasks of a run are, 0 to 1 of the range; 0 while it does not say. */
async function shareOf(run: RunProcess): Promise<number> {
  const [, address = ""] = /metrics +(\S+)/.exec(run.output) ?? [];
  const text = await fetch(address).then(
    (answer) => answer.text(),
    () => "",
  );
  const reached = [...text.matchAll(/^millrace_progress_seconds\{.*\} (\S+)$/gm)];
  const least = Math.min(...reached.map(([, value]) => Number(value) * 1_000));
  const [from, to] = [Date.parse(`${values.from}Z`), Date.parse(`${values.to}Z`)];
  return Number.isFinite(least) ? (least - from) / (to - from) : 0;
}

/** Shares of the range at which to kill, spread over the first four fifths, by the seed. */
function killShares(kills: number, random: () => number): number[] {
  return Array.from({ length: kills }, (_, kill) => (0.8 * (kill + random())) / kills);
}

/** One case on an emptied stack; a run that was killed itself is started again. */
async function measure(each: Case, local: readonly string[], json: string): Promise<Result> {
  const random = seededRandom(Number(values.seed));
  const several = each.workers > 1 ? ["--workers", String(each.workers)] : [];
  const slow = each.slow === "none" ? [] : ["--slow", `${each.slow}=${values.factor}`];
  const args = [...local, ...range, ...several, ...slow, "--summary", json];
  const started = performance.now();
  const kills = killShares(each.kills, random);
  let exit: number | null = null;
  for (let fresh = ["--fresh"]; exit === null; fresh = []) {
    const run = new RunProcess([...args, ...fresh]);
    await run.saw(/tasks restored/);
    await killWorkers(run, kills, random);
    exit = await run.ended;
    if (exit !== null && exit !== 0) console.error(run.output);
  }
  const seconds = (performance.now() - started) / 1000;
  const { balanced } = JSON.parse(await readFile(json, "utf8")) as Summary;
  const digest = await querySql(local.slice(0, 4), allDigests(flights));
  const killed = each.kills - kills.length;
  return { ...each, seconds, killed, exit, balanced: balanced === true, digest };
}

async function main(): Promise<number> {
  const work = await mkdtemp(join(tmpdir(), "millrace-determinism-"));
  const ports = await freePorts(4);
  const flags = ["--kafka-port", "--registry-port", "--redis-port", "--clickhouse-port"];
  const local = ["--stack", "local", "--data", join(work, "local")];
  const withPorts = [...local, ...flags.flatMap((flag, index) => [flag, String(ports[index])])];
  try {
    const reference = new RunProcess([...range, "--data", join(work, "embedded")]);
    if ((await reference.ended) !== 0) throw new Error(reference.output);
    const expected = await querySql(["--data", join(work, "embedded")], allDigests(flights));
    console.log(`embedded stack:\n${expected}`);
    const lines: string[] = [];
    for (const each of cases()) {
      const result = await measure(each, withPorts, join(work, "summary.json"));
      lines.push(line(result, expected));
      console.log(lines.at(-1));
      if (result.digest !== expected) console.log(result.digest);
      if (values.report !== undefined) await report(values.report, expected, lines);
    }
    const failed = lines.some((text) => !text.startsWith("equal"));
    return failed ? 1 : 0;
  } finally {
    await millrace("stack", "down", "--data", join(work, "local")).catch(() => {});
    await rm(work, { recursive: true, force: true });
  }
}

function line(result: Result, expected: string): string {
  const { slow, workers, kills, killed, exit, balanced, digest, seconds } = result;
  const good = exit === 0 && balanced && digest === expected && killed === kills;
  const slowed = slow === "none" ? "none slowed" : `${slow} slowed ${values.factor} times`;
  const what = `${slowed}, ${workers} worker${workers > 1 ? "s" : ""}`;
  const ends = `exit ${exit}, ${balanced ? "balanced" : "NOT balanced"}, ${seconds.toFixed(0)} s`;
  const verdict = good ? "equal    " : digest === expected ? "FAILED   " : "DIFFERENT";
  return `${verdict}  ${what}, ${killed} of ${kills} kills: ${ends}`;
}

async function report(file: string, expected: string, lines: readonly string[]): Promise<void> {
  const { from, to, slow, factor, workers, kills, seed } = values;
  const text = [
    `# The same rows, whatever the order of events: ${from} to ${to}`,
    "",
    `Command: \`node dist/loadtest/determinism.js --from ${from} --to ${to} --slow ${slow} ` +
      `--factor ${factor} --workers ${workers} --kills ${kills} --seed ${seed}\``,
    await circumstances(),
    "",
    "Rows and the sum of their hashes on the embedded stack, undisturbed:",
    "",
    "```",
    expected,
    "```",
    "",
    "On the local stack, with the time from an empty directory to the end, its servers' start",
    "included (a kill is a SIGKILL of a random worker at a random moment):",
    "",
    "```",
    ...lines,
    "```",
    "",
  ];
  await writeFile(file, text.join("\n"));
}

process.exitCode = await main();
