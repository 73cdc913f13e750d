/**
 * Kills and freezes workers at named points while they process flights on the local stack, takes
 * their Kafka away, and compares what they leave with an undisturbed run, row by row. With a
 * control (something left out that a guarantee rests on) the comparison must fail.
 *
 * node dist/loadtest/chaos.js [--kills N] [--freezes N] [--outages N] [--seed S[,S…]] [--from DATE]
 *   [--to DATE] [--control none,transactions,fence,token] [--workers N] [--minutes N]
 *   [--report FILE]
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parseTime } from "../runtime/config/setting-types.ts";
import { flights } from "../topologies/flights/flights.ts";
import { type ChaosCase, runChaosCase } from "./chaos/chaos-case.ts";
import { chaosPlan, usualOutages } from "./chaos/chaos-plan.ts";
import { caseText, isGood, verdict } from "./chaos/chaos-report.ts";
import { type Control, controls } from "./chaos/messages.ts";
import { circumstances } from "./circumstances.ts";
import { allDigests } from "./digests.ts";
import { querySql, RunProcess } from "./run-process.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "20" },
    /** SIGSTOPs. Default: 3 for 20 kills, in proportion, at least the one at the end. */
    freezes: { type: "string" },
    /** Of Kafka, in turn paused for 100 s and killed for 60 s. */
    outages: { type: "string", default: String(usualOutages) },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "2001-01-01" },
    to: { type: "string", default: "2001-01-04T15:00" },
    control: { type: "string", default: "none" },
    workers: { type: "string", default: "3" },
    /** Bound of one run. */
    minutes: { type: "string", default: "25" },
    report: { type: "string" },
  },
});

/** @throws {Error} naming the argument that cannot be used. */
function wanted(): Omit<ChaosCase, "expected">[] {
  const kills = count("kills", values.kills, 0);
  const freezes =
    values.freezes === undefined
      ? Math.max(1, Math.round((3 * kills) / 20))
      : count("freezes", values.freezes, 0);
  const outages = count("outages", values.outages, 0);
  const workers = count("workers", values.workers, 2);
  const minutes = count("minutes", values.minutes, 1);
  const [from, to] = [timeOf("from", values.from), timeOf("to", values.to)];
  if (from >= to) throw new Error(`--from ${values.from} does not lie before --to ${values.to}`);
  return values.seed.split(",").flatMap((text) => {
    const seed = count("seed", text, 0);
    const steps = chaosPlan(seed, workers, kills, freezes, outages);
    return values.control.split(",").map((control) => {
      return { from, to, workers, minutes, seed, steps, control: controlOf(control) };
    });
  });
}

function count(name: string, text: string, least: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least) return number;
  throw new Error(`--${name} ${text}: write a whole number, at least ${least}`);
}

function timeOf(name: string, text: string): number {
  const time = parseTime(text);
  if (time === null) throw new Error(`--${name} ${text}: write a UTC time like 2001-01-04`);
  return time;
}

function controlOf(text: string): Control {
  const control = controls.find((each) => each === text);
  if (control === undefined) throw new Error(`--control ${text}: one of ${controls.join(", ")}`);
  return control;
}

/** Digests of an undisturbed run on the embedded stack. */
async function undisturbed(): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), "millrace-undisturbed-"));
  try {
    const run = new RunProcess(["--from", values.from, "--to", values.to, "--data", data]);
    if ((await run.ended) !== 0) throw new Error(run.output);
    return await querySql(["--data", data], allDigests(flights));
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

async function main(): Promise<number> {
  const cases = wanted();
  const started = performance.now();
  const expected = await undisturbed();
  console.log(`undisturbed run: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  console.log(expected);
  const texts: string[] = [];
  const verdicts: string[] = [];
  let failed = false;
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => interrupt.abort(new Error(`interrupted by ${name}`)));
  }
  for (const each of cases) {
    failed ||= interrupt.signal.aborted;
    if (interrupt.signal.aborted) break;
    const given: ChaosCase = { ...each, expected };
    console.log(`\nseed ${given.seed}, control ${given.control}`);
    const result = await runChaosCase(given, console.log, interrupt.signal);
    failed ||= !isGood(given, result);
    texts.push(caseText(given, result));
    verdicts.push(verdict(given, result));
    console.log(`\n${texts.at(-1)}`);
    if (values.report !== undefined) await report(values.report, expected, texts, verdicts);
  }
  if (cases.length > 1) console.log(`\n${verdicts.join("\n")}`);
  return failed ? 1 : 0;
}

async function report(
  file: string,
  expected: string,
  texts: readonly string[],
  verdicts: readonly string[],
): Promise<void> {
  const given = process.argv.slice(2).filter((each, index, all) => {
    return each !== "--report" && all[index - 1] !== "--report";
  });
  const text = [
    `# Workers killed and frozen at named points, and Kafka away: ${values.from} to ${values.to}`,
    "",
    `Command: \`node dist/loadtest/chaos.js ${given.join(" ")}\``,
    await circumstances(),
    "",
    "Rows and the sum of their hashes in an undisturbed run on the embedded stack:",
    "",
    "```",
    expected,
    "```",
    "",
    "```",
    ...verdicts,
    "```",
    "",
    ...texts.flatMap((each, index) => [`## Run ${index + 1}`, "", each, ""]),
  ];
  await writeFile(file, text.join("\n"));
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 1;
});
