/**
 * Replays all six months on the embedded stack and holds time, memory and disk against their
 * limits. Exits 1 when one does not hold. Needs Linux and some 10 GB on the disk.
 *
 * node dist/loadtest/six-months.js --help
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Summary } from "../cli/summary/summary.ts";
import { circumstances } from "./circumstances.ts";
import { programFlags } from "./program-flags.ts";
import { RunProcess } from "./run-process.ts";
import { FamilyMemory, type Half } from "./six-months/family-memory.ts";
import { type Measured, type Verdict, verdictsOf } from "./six-months/limits.ts";

/** Time between two looks at the processes, ms, and looks between two at the disk. */
const lookEveryMs = 1_000;
const looksPerDisk = 10;

interface Options {
  readonly from: string;
  readonly to: string;
}

interface Outcome {
  readonly measured: Measured;
  readonly summary: Summary | null;
}

async function replay({ from, to }: Options, data: string): Promise<Outcome> {
  const json = `${data}.json`;
  const started = performance.now();
  const run = new RunProcess(["--from", from, "--to", to, "--data", data, "--summary", json]);
  const memory = new FamilyMemory(run.workers.get("0") ?? 0);
  let ended = false;
  const exit = run.ended.then((code) => {
    ended = true;
    return code;
  });
  let dataBytes = 0;
  for (let look = 0; !ended; look++) {
    await memory.look(halfOf(run.output));
    if (look % looksPerDisk === 0) dataBytes = Math.max(dataBytes, await sizeOnDisk(data));
    await Promise.race([sleep(lookEveryMs), exit]);
  }
  const seconds = (performance.now() - started) / 1000;
  const code = await exit;
  if (code !== 0) console.error(run.output.slice(-4_000));
  const summary = await summaryOf(json);
  dataBytes = Math.max(dataBytes, await sizeOnDisk(data));
  const balanced = summary?.balanced === true;
  return { measured: { exit: code, balanced, seconds, peaks: memory.peaks, dataBytes }, summary };
}

/** By the last progress line, `2001-01-04 06:00  31 %  …`. */
function halfOf(output: string): Half {
  const shares = output.slice(-2_000).matchAll(/^\d{4}-\d\d-\d\d \d\d:\d\d {2}(\d+) %/gm);
  return Number([...shares].at(-1)?.[1] ?? 0) >= 50 ? 1 : 0;
}

/** In bytes, as the file system counts; files may come and go meanwhile. */
function sizeOnDisk(directory: string): Promise<number> {
  return new Promise((resolve) => {
    execFile("du", ["-sk", directory], (_, stdout) => {
      resolve(Number(/^\d+/.exec(stdout)?.[0] ?? 0) * 1024);
    });
  });
}

async function summaryOf(file: string): Promise<Summary | null> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Summary;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function reportText(
  { from, to }: Options,
  { measured, summary }: Outcome,
  verdicts: readonly Verdict[],
): Promise<string> {
  const counts = Object.values(summary?.topologies ?? {}).map(
    ({ in: read, processed, late, deadLettered }) =>
      `${number(read)} in, ${number(processed)} processed, ${number(late)} late, ` +
      `${number(deadLettered)} dead-lettered (every branch of a source counts)`,
  );
  const { throughput, features, predictions, models } = summary ?? {};
  return [
    `# ${from} to ${to}`,
    "",
    `Command: \`node dist/loadtest/six-months.js --from ${from} --to ${to}\`, which runs`,
    `\`millrace run --from ${from} --to ${to}\` on the embedded stack.`,
    "",
    await circumstances(),
    "",
    `Time: ${measured.seconds.toFixed(0)} s. ${counts.join("; ")}.`,
    `${number(throughput?.eventsPerSecond)} source records/s, ${number(features?.rows)} feature ` +
      `rows, ${number(predictions?.total)} predictions, ${number(models?.length)} models trained.`,
    "",
    "Resident memory is the kernel's own peak of the largest process of its role; a half is half of",
    "the range in event time. The worker holds the tasks, the replayer, the pumps and the embedded",
    "log. 1 MB = 10^6 bytes.",
    "",
    "| what | measured | limit | holds |",
    "| --- | --- | --- | --- |",
    ...verdicts.map(
      ({ what, found, limit, holds }) =>
        `| ${what} | ${found} | ${limit} | ${holds ? "yes" : "NO"} |`,
    ),
    "",
  ].join("\n");
}

function number(value: number | undefined): string {
  return value === undefined ? "-" : Math.round(value).toLocaleString("en-US");
}

async function main(): Promise<number> {
  const { values } = programFlags({
    command: "node dist/loadtest/six-months.js",
    does: "Replays all six months on the embedded stack and holds time, memory and disk against their limits. Needs Linux and some 10 GB on the disk.",
    flags: {
      from: { type: "string", takes: "DATE", default: "2001-01-01", help: "first event" },
      to: { type: "string", takes: "DATE", default: "2001-07-01", help: "behind the last event" },
      data: {
        type: "string",
        takes: "DIR",
        help: "where the run stays (left out: a folder that is removed)",
      },
      report: { type: "string", takes: "FILE", help: "writes the page" },
    },
    fails: "where a limit does not hold",
  });
  const work = values.data ?? (await mkdtemp(join(tmpdir(), "millrace-six-months-")));
  try {
    const outcome = await replay(values, join(work, "data"));
    const verdicts = verdictsOf(outcome.measured);
    const text = await reportText(values, outcome, verdicts);
    console.log(text);
    if (values.report !== undefined) await writeFile(values.report, text);
    return verdicts.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    if (values.data === undefined) await rm(work, { recursive: true, force: true });
  }
}

process.exitCode = await main();
