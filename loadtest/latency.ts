/**
 * Latencies on the data of a real run: feature reads, scoring, and recovery after a SIGKILL.
 *
 * node dist/loadtest/latency.js --help
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { openEmbeddedStack } from "../stacks/embedded-stack.ts";
import { flights as plan } from "../topologies/flights/flights.ts";
import { circumstances } from "./circumstances.ts";
import { timeOnlineReads } from "./latency/online-reads.ts";
import { type Recovery, timeRecovery } from "./latency/recovery.ts";
import { timeScoring } from "./latency/scoring.ts";
import { median, medianOf, type Timing } from "./latency/timing.ts";
import { programFlags } from "./program-flags.ts";
import { flightsApp, millrace } from "./run-process.ts";

/** Two and a half days: enough labels for a model. */
const from = "2001-01-02";
const measuredTo = "2001-01-04T12:00";
/** What the run goes on to while it is killed. */
const killedTo = "2001-01-14";

async function measure(data: string, rounds: number, samples: number): Promise<Timing[]> {
  const stack = await openEmbeddedStack({ directory: data });
  try {
    const measured: Timing[][] = [];
    for (let round = 0; round < rounds; round++) {
      measured.push([
        ...(await timeOnlineReads(plan, stack, samples)),
        ...(await timeScoring(plan, stack, join(data, "models"), samples)),
      ]);
    }
    const [first = []] = measured;
    return first.map((_, index) =>
      medianOf(measured.flatMap((round) => (round[index] === undefined ? [] : [round[index]]))),
    );
  } finally {
    await stack.close();
  }
}

function tableOf(timings: readonly Timing[], recoveries: readonly Recovery[]): string[] {
  const ms = (value: number) => value.toFixed(value < 10 ? 3 : 0);
  const seconds = (of: (each: Recovery) => number, choose: (values: number[]) => number) =>
    (choose(recoveries.map(of)) / 1000).toFixed(2);
  const most = (values: number[]) => Math.max(...values);
  const line = (name: string, of: (each: Recovery) => number) =>
    `| ${name} | ${seconds(of, median)} | ${seconds(of, most)} |`;
  return [
    "| operation, one at a time | calls | p50, ms | p99, ms | most, ms |",
    "| --- | --- | --- | --- | --- |",
    ...timings.map(
      ({ name, samples, p50, p99, max }) =>
        `| ${name} | ${samples} | ${ms(p50)} | ${ms(p99)} | ${ms(max)} |`,
    ),
    "",
    `| start after a SIGKILL, ${recoveries.length} times | median, s | most, s |`,
    "| --- | --- | --- |",
    line("until all tasks are restored", ({ restoredMs }) => restoredMs),
    line("until the first commit", ({ firstCommitMs }) => firstCommitMs),
  ];
}

async function main(): Promise<void> {
  const { values } = programFlags({
    command: "node dist/loadtest/latency.js",
    does: "Latencies on the data of a real run: feature reads, scoring, and recovery after a SIGKILL.",
    flags: {
      rounds: { type: "string", takes: "N", default: "5", help: "of which the median counts" },
      samples: { type: "string", takes: "N", default: "4000", help: "calls of a round" },
      kills: {
        type: "string",
        takes: "N",
        default: "5",
        help: "SIGKILLs after which a start is timed",
      },
      report: {
        type: "string",
        takes: "FILE",
        help: "where the page goes (left out: loadtest/reports/latency-<date>.md)",
      },
    },
    fails: "where it could not measure",
  });
  const { rounds, samples, kills } = values;
  const work = await mkdtemp(join(tmpdir(), "millrace-latency-"));
  const data = join(work, "data");
  try {
    const load = () => loadavg()[0]?.toFixed(1);
    const before = load();
    await millrace("run", flightsApp, "--data", data, "--from", from, "--to", measuredTo);
    const timings = await measure(data, Number(rounds), Number(samples));
    const range = ["--data", data, "--from", from, "--to", killedTo];
    const recoveries = await timeRecovery(range, Number(kills));
    const table = tableOf(timings, recoveries);
    console.log(table.join("\n"));
    const date = new Date().toISOString().slice(0, 10);
    const lines = [
      `# Latencies, ${date}`,
      "",
      `Command: \`node dist/loadtest/latency.js --rounds ${rounds} --samples ${samples} --kills ${kills}\``,
      await circumstances(),
      `Load of the machine (1 minute average): ${before} when it began, ${load()} when it ended.`,
      "",
      `Features and vectors of a run from ${from} to ${measuredTo}. Each figure is the median of ` +
        `${rounds} rounds of ${samples} calls; "most" is the median of the rounds' longest calls. ` +
        "Redis answers over loopback from the same cores.",
      `A start after a SIGKILL is timed from the start of the process, Node included; before each ` +
        "kill the run has worked through at least 3 h of event time.",
      "",
      ...table,
      "",
    ];
    await writeFile(values.report ?? `loadtest/reports/latency-${date}.md`, lines.join("\n"));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

await main();
