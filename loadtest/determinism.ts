/**
 * Runs the same flights on the embedded stack and, again and again, on the local one: with one
 * source slowed and then the other, by one, two and three workers, undisturbed and with random
 * kills of workers. Feature rows, predictions, outcomes and models must be equal every time.
 *
 * node dist/loadtest/determinism.js [--from DATE] [--to DATE] [--factor F] [--workers 1,2,3]
 *   [--kills N] [--seed S] [--report FILE]
 */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { Summary } from "../cli/summary/summary.ts";
import { freePorts } from "../runtime/stack/free-ports.ts";
import { circumstances } from "./circumstances.ts";
import { allDigests } from "./digests.ts";
import { millrace, querySql, RunProcess } from "./run-process.ts";
import { seededRandom } from "./seeded-random.ts";

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "2001-01-01" },
    to: { type: "string", default: "2001-01-04T12:00" },
    factor: { type: "string", default: "10" },
    workers: { type: "string", default: "1,2,3" },
    kills: { type: "string", default: "5" },
    seed: { type: "string", default: "1" },
    report: { type: "string" },
  },
});

/** Between two kills, ms: from the first bound to the second, by the seed. */
const betweenKillsMs = { least: 1_000, most: 9_000 };

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
  return [0, Number(values.kills)].flatMap((kills) =>
    ["flights.arrivals", "flights.departures"].flatMap((slow) =>
      workers.map((count) => ({ slow, workers: count, kills })),
    ),
  );
}

const range = ["--from", values.from, "--to", values.to];

/** Kills random workers of a run until so many were killed or it has ended; returns how many. */
async function killWorkers(run: RunProcess, kills: number, random: () => number): Promise<number> {
  const { least, most } = betweenKillsMs;
  for (let killed = 0; killed < kills; ) {
    await Promise.race([sleep(least + random() * (most - least)), run.ended]);
    const victims = [...run.workers.values()];
    const pid = victims[Math.floor(random() * victims.length)];
    if (pid === undefined) continue;
    try {
      process.kill(pid, "SIGKILL");
      killed++;
    } catch {
      // It has ended: so has the run, or a new process is on its way.
    }
    if (await Promise.race([run.ended.then(() => true), sleep(50).then(() => false)]))
      return killed;
  }
  return kills;
}

/** One case on an emptied stack; a run that was killed itself is started again. */
async function measure(each: Case, local: readonly string[], json: string): Promise<Result> {
  const random = seededRandom(Number(values.seed));
  const several = each.workers > 1 ? ["--workers", String(each.workers)] : [];
  const slow = ["--slow", `${each.slow}=${values.factor}`];
  const args = [...local, ...range, ...several, ...slow, "--json", json];
  const started = performance.now();
  let killed = 0;
  let exit: number | null = null;
  for (let fresh = ["--fresh"]; exit === null; fresh = []) {
    const run = new RunProcess([...args, ...fresh]);
    await run.saw(/tasks restored/);
    killed += await killWorkers(run, each.kills - killed, random);
    exit = await run.ended;
    if (exit !== null && exit !== 0) console.error(run.output);
  }
  const seconds = (performance.now() - started) / 1000;
  const { balanced } = JSON.parse(await readFile(json, "utf8")) as Summary;
  const digest = await querySql(local.slice(0, 4), allDigests);
  return { ...each, seconds, killed, exit, balanced, digest };
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
    const expected = await querySql(["--data", join(work, "embedded")], allDigests);
    console.log(`embedded stack:\n${expected}`);
    const lines: string[] = [];
    for (const each of cases()) {
      const result = await measure(each, withPorts, join(work, "summary.json"));
      lines.push(line(result, expected));
      console.log(lines.at(-1));
      if (result.digest !== expected) console.log(result.digest);
    }
    const failed = lines.some((text) => !text.startsWith("equal"));
    if (values.report !== undefined) await report(values.report, expected, lines);
    return failed ? 1 : 0;
  } finally {
    await millrace("stack", "down", "--data", join(work, "local")).catch(() => {});
    await rm(work, { recursive: true, force: true });
  }
}

function line(result: Result, expected: string): string {
  const { slow, workers, kills, killed, exit, balanced, digest, seconds } = result;
  const good = exit === 0 && balanced && digest === expected && killed === kills;
  const what = `${slow} slowed ${values.factor} times, ${workers} worker${workers > 1 ? "s" : ""}`;
  const ends = `exit ${exit}, ${balanced ? "balanced" : "NOT balanced"}, ${seconds.toFixed(0)} s`;
  const verdict = good ? "equal    " : digest === expected ? "FAILED   " : "DIFFERENT";
  return `${verdict}  ${what}, ${killed} of ${kills} kills: ${ends}`;
}

async function report(file: string, expected: string, lines: readonly string[]): Promise<void> {
  const { from, to, factor, workers, kills, seed } = values;
  const text = [
    `# The same rows, whatever the order of events: ${from} to ${to}`,
    "",
    `Command: \`node dist/loadtest/determinism.js --from ${from} --to ${to} --factor ${factor} ` +
      `--workers ${workers} --kills ${kills} --seed ${seed}\``,
    await circumstances(),
    "",
    "Rows and the sum of their hashes on the embedded stack, undisturbed:",
    "",
    "```",
    expected,
    "```",
    "",
    "On the local stack (a kill is a SIGKILL of a random worker at a random moment):",
    "",
    "```",
    ...lines,
    "```",
    "",
  ];
  await writeFile(file, text.join("\n"));
}

process.exitCode = await main();
