/**
 * Kills and freezes workers at named points while they process flights on the local stack, takes
 * their Kafka away, and compares what they leave with an undisturbed run, row by row. With a
 * control (something left out that a guarantee rests on) the comparison must fail.
 *
 * node dist/loadtest/chaos.js --help
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTime } from "../runtime/config/setting-types.ts";
import { flights } from "../topologies/flights/flights.ts";
import { type ChaosCase, runChaosCase } from "./chaos/chaos-case.ts";
import { chaosPlan, usualOutages } from "./chaos/chaos-plan.ts";
import { caseText, isGood, verdict } from "./chaos/chaos-report.ts";
import { type Control, controls } from "./chaos/messages.ts";
import { circumstances } from "./circumstances.ts";
import { allDigests } from "./digests.ts";
import { programFlags, refuse } from "./program-flags.ts";
import { querySql, RunProcess } from "./run-process.ts";

const { values } = programFlags({
  command: "node dist/loadtest/chaos.js",
  does: "Kills and freezes workers at named points while they process flights on the local stack, takes their Kafka away, and compares what they leave with an undisturbed run, row by row.",
  flags: {
    kills: { type: "string", takes: "N", default: "20", least: 0, help: "SIGKILLs" },
    freezes: {
      type: "string",
      takes: "N",
      least: 0,
      help: "SIGSTOPs (left out: 3 for 20 kills, in proportion, at least the one at the end)",
    },
    outages: {
      ...{ type: "string", takes: "N", default: String(usualOutages), least: 0 },
      help: "outages of Kafka, in turn paused for 100 s and killed for 60 s",
    },
    seed: {
      type: "string",
      takes: "N,…",
      default: "1",
      least: 0,
      help: "where and when it kills; several: one run each",
    },
    from: { type: "string", takes: "DATE", default: "2001-01-01", help: "first event" },
    to: {
      type: "string",
      takes: "DATE",
      default: "2001-01-04T15:00",
      help: "behind the last event",
    },
    control: {
      ...{ type: "string", takes: "NAME,…", default: "none", among: controls },
      help: "what is left out that a guarantee rests on, so that the comparison has to fail",
    },
    workers: { type: "string", takes: "N", default: "3", least: 2, help: "processes of the run" },
    minutes: { type: "string", takes: "N", default: "25", help: "that one run may take" },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where a comparison did not end as it should",
});

function wanted(): Omit<ChaosCase, "expected">[] {
  const [kills, outages, workers] = [values.kills, values.outages, values.workers].map(Number) as [
    ...[number, number, number],
  ];
  const minutes = Number(values.minutes);
  const freezes =
    values.freezes === undefined
      ? Math.max(1, Math.round((3 * kills) / 20))
      : Number(values.freezes);
  const [from, to] = [parseTime(values.from) ?? 0, parseTime(values.to) ?? 0];
  if (from >= to) refuse(`--from ${values.from}: it does not lie before --to ${values.to}`);
  return values.seed.split(",").flatMap((text) => {
    const seed = Number(text);
    const steps = chaosPlan(seed, workers, kills, freezes, outages);
    return values.control.split(",").map((control) => {
      return { from, to, workers, minutes, seed, steps, control: control as Control };
    });
  });
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
