/**
 * Runs a k6 script against flights that run live on the local stack, and starts what is missing:
 * k6 with our extension (built once, needs Go), the servers, the run. Ends with 1 when a threshold
 * of the script fails.
 *
 * npm run loadtest -- --help
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { durationMs } from "../schemas/duration.ts";
import { MillraceError } from "../schemas/errors.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { circumstances } from "./circumstances.ts";
import { registerAnyModel } from "./k6/any-model.ts";
import { awayFailures, awayLines, beforeMs, clickHouseAway, storedPredictions } from "./k6/away.ts";
import { buildK6 } from "./k6/build-k6.ts";
import { flightsOn } from "./k6/flights-on.ts";
import { reportText } from "./k6/report.ts";
import { startMissing } from "./k6/under-test.ts";
import { failuresOf, type K6Summary } from "./k6/verdict.ts";
import { programFlags } from "./program-flags.ts";

interface Script {
  /** Whether it asks a gateway. */
  readonly gateway: boolean;
  /** Whether flights have to come by themselves, because the script sends none. */
  readonly fed: boolean;
  /** Whether there has to be a champion: a run that has just begun has none. */
  readonly scored: boolean;
}

const scripts: Readonly<Record<string, Script>> = {
  "ingest-kafka": { gateway: false, fed: false, scored: false },
  "ingest-http": { gateway: true, fed: false, scored: false },
  features: { gateway: true, fed: true, scored: false },
  predict: { gateway: true, fed: true, scored: true },
  oip: { gateway: true, fed: true, scored: true },
};
/** Flights of the run's own where a script sends none. */
const ownLoad = ["--rate", "200", "--flight-time", "5s"];
/** Partitions of the flights as they come with Millrace. */
const usualPartitions = 4;

const { values, positionals } = programFlags({
  command: "npm run loadtest --",
  does: "Runs a k6 script against flights that run live on the local stack, and starts what is missing: k6 with our extension (built once, needs Go), the servers, the run.",
  words: `[${Object.keys(scripts).join(" | ")}]`,
  flags: {
    rate: {
      type: "string",
      takes: "N",
      default: "1000",
      help: "events a second; requests where the script asks a gateway",
    },
    for: { type: "string", takes: "TIME", default: "30s", help: "length of the load" },
    set: {
      ...{ type: "string", multiple: true, default: [] },
      ...{ takes: "NAME=VALUE", help: "a setting of the script; repeatable" },
    },
    data: {
      type: "string",
      takes: "DIR",
      help: "data directory of a local stack (left out: a folder that is removed)",
    },
    workers: {
      type: "string",
      takes: "N",
      default: "1",
      help: "processes of a run that is started here",
    },
    partitions: {
      type: "string",
      takes: "N",
      default: String(usualPartitions),
      help: "of the topics of a run that is started here, for a script that sends flights",
    },
    "max-wait": {
      type: "string",
      takes: "TIME",
      default: "5s",
      help: "of a run that is started here",
    },
    away: { type: "string", takes: "TIME", help: "with predict: how long ClickHouse is away" },
    report: {
      type: "string",
      takes: "FILE",
      help: "writes the page, and k6's own summary beside it as JSON",
    },
    build: { type: "boolean", default: false, help: "builds k6 and ends" },
  },
  fails: "where a threshold fails",
});

const [script = "ingest-kafka"] = positionals;
/** What a load test takes besides its load: warm-up, drain, start and end, ms. */
const besidesMs = 420_000;
const awayMs = values.away === undefined ? 0 : durationMs(values.away);
const mostMs = durationMs(values.for) + awayMs + besidesMs;
const say = (line: string) => console.log(line);

/** NAME=VALUE of `--set`, after the rate and the length. */
function settings(): Record<string, string> {
  const given = values.set.map((text) => {
    const at = text.indexOf("=");
    return [text.slice(0, at), text.slice(at + 1)] as const;
  });
  return { RATE: values.rate, LENGTH: values.for, ...Object.fromEntries(given) };
}

/** Runs k6 until it ends, is interrupted, or has taken too long; resolves to its exit code. */
async function runK6(
  program: string,
  all: Readonly<Record<string, string>>,
  interrupted: AbortSignal,
): Promise<number | null> {
  const environment = Object.entries(all).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const args = ["run", "--quiet", "--address", "127.0.0.1:0", ...environment];
  const file = join(packageRoot(), "loadtest", `${script}.js`);
  const child = spawn(program, [...args, file], { stdio: ["ignore", "inherit", "inherit"] });
  const end = () => child.kill("SIGINT");
  interrupted.addEventListener("abort", end);
  const late = setTimeout(() => child.kill("SIGKILL"), mostMs);
  try {
    return await new Promise((done, fail) => {
      child.once("error", fail);
      child.once("close", done);
    });
  } finally {
    clearTimeout(late);
    interrupted.removeEventListener("abort", end);
  }
}

async function readSummary(file: string): Promise<K6Summary | null> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as K6Summary;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** @param work - folder of what is not the run's. */
async function load(
  { gateway, fed, scored }: Script,
  program: string,
  work: string,
  interrupted: AbortSignal,
): Promise<string[]> {
  const data = values.data === undefined ? join(work, "local") : resolve(values.data);
  const workers = Number(values.workers);
  const app = await flightsOn(Number(values.partitions), work);
  const under = await startMissing({
    ...{ app, data, usualPorts: values.data !== undefined, workers, mostMs, say, gateway },
    runFlags: ["--max-wait", values["max-wait"], ...(fed ? ownLoad : [])],
  });
  const summaryFile = join(work, `${script}.json`);
  let printed = "";
  let failures: string[] = ["it was interrupted"];
  try {
    if (interrupted.aborted) return failures;
    if (scored && under.isOwn) await registerAnyModel(data, work);
    const given = settings();
    const all = { ...under.settings, ...given, SUMMARY: summaryFile };
    if (awayMs > 0 && under.pid === null) throw new Error("--away needs a run of its own");
    const absent =
      awayMs > 0 && under.pid !== null ? clickHouseAway(data, under.pid, awayMs) : null;
    // Heard of once it is waited for.
    absent?.catch(() => undefined);
    const exit = await runK6(program, all, interrupted);
    const summary = await readSummary(summaryFile);
    failures = failuresOf(summary, exit);
    const notes: string[] = [];
    if (absent !== null) {
      const sent = summary?.metrics["ids_sent"]?.values["value"] ?? 0;
      const [absence, stored] = [await absent, await storedPredictions(data, sent)];
      failures.push(...awayFailures(absence, stored, sent));
      notes.push(...awayLines(absence, stored, sent));
      for (const line of notes) say(line);
    }
    if (summary !== null && values.report !== undefined) {
      const command = `npm run loadtest -- ${process.argv.slice(2).join(" ")}`;
      const facts = { script, command, settings: given, summary, failures, notes };
      const page = reportText({
        ...facts,
        circumstances: await circumstances(),
        loadAverage: loadavg()[0] ?? 0,
      });
      await writeFile(resolve(values.report), page);
      const json = `${resolve(values.report).replace(/\.md$/, "")}.json`;
      await writeFile(json, `${JSON.stringify(summary, null, 2)}\n`);
    }
  } finally {
    printed = await under.stop();
  }
  if (failures.length > 0) console.error(printed.split("\n").slice(-20).join("\n"));
  return failures;
}

function awayProblems(): string[] {
  if (awayMs === 0) return [];
  const leastMs = awayMs + beforeMs;
  return [
    ...(script === "predict" ? [] : ["--away: it goes with predict"]),
    ...(values.workers === "1" ? [] : ["--away: it goes with one worker"]),
    ...(durationMs(values.for) >= leastMs ? [] : [`--for: at least ${leastMs / 1_000}s`]),
  ];
}

/** What is set and does not go together. */
function refuse({ fed }: Script): void {
  const isAsGiven = Number(values.partitions) === usualPartitions;
  const problems = [
    ...awayProblems(),
    ...(fed && !isAsGiven
      ? [`--partitions: flights that come by themselves come on ${usualPartitions}`]
      : []),
  ];
  if (problems.length === 0) return;
  const text = problems.map((each) => `- ${each}`).join("\n");
  throw new MillraceError("CONFIG_INVALID", { count: problems.length, problems: text });
}

async function main(): Promise<number> {
  const spec = scripts[script];
  if (spec === undefined) {
    const problems = `- there is no load test "${script}": ${Object.keys(scripts).join(", ")}`;
    throw new MillraceError("CONFIG_INVALID", { count: 1, problems });
  }
  refuse(spec);
  const program = await buildK6(say);
  if (values.build) return 0;
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, interrupt);
  const work = await mkdtemp(join(tmpdir(), "millrace-k6-"));
  const failures = await load(spec, program, work, interruption.signal);
  for (const failure of failures) console.error(`FAILED: ${failure}`);
  if (failures.length === 0) await rm(work, { recursive: true, force: true });
  else say(`What it left stays in ${work}.`);
  return failures.length === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof MillraceError)) throw error;
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 2;
}
