/**
 * Replays a month three times on the embedded stack, undisturbed, shifted and permuted, and holds
 * what each run left behind against what the loop promises: alarms, recovery, and no model of
 * noise. Exits 1 when a promise does not hold.
 *
 * node dist/loadtest/scenarios.js --help
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { storesOf } from "../runtime/hosting/stack.ts";
import { openEmbeddedStack } from "../stacks/embedded-stack.ts";
import { flights } from "../topologies/flights/flights.ts";
import { circumstances } from "./circumstances.ts";
import { programFlags } from "./program-flags.ts";
import { flightsApp } from "./run-process.ts";
import { findingsOf } from "./scenarios/find.ts";
import { type Played, reportText } from "./scenarios/report.ts";
import { commandOf, type Scenario, scenarios } from "./scenarios/scenarios.ts";
import { verdictsOf } from "./scenarios/verdicts.ts";

const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));

async function play(scenario: Scenario, data: string): Promise<Played> {
  const [command = "", ...range] = commandOf(scenario);
  const args = [program, command, flightsApp, ...range, "--data", data];
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`millrace ${args.slice(1).join(" ")} ended with ${code}`);
  const stack = await openEmbeddedStack({ directory: data });
  try {
    const findings = await findingsOf(flights, storesOf(stack, flights.name));
    return { scenario, seconds, findings, verdicts: verdictsOf(scenario.name, findings) };
  } finally {
    await stack.close();
  }
}

async function main(): Promise<number> {
  const { values } = programFlags({
    command: "node dist/loadtest/scenarios.js",
    does: "Replays a month three times on the embedded stack, undisturbed, shifted and permuted, and holds what each run left against what the loop promises: alarms, recovery, and no model of noise.",
    flags: {
      only: {
        ...{ type: "string", takes: "NAME" },
        ...{ among: scenarios.map(({ name }) => name), help: "the only one (left out: all)" },
      },
      data: {
        type: "string",
        takes: "DIR",
        help: "where runs stay (left out: a folder that is removed)",
      },
      report: { type: "string", takes: "FILE", help: "writes the page" },
    },
    fails: "where a promise does not hold",
  });
  const asked = scenarios.filter(({ name }) => values.only === undefined || values.only === name);
  const where = await circumstances();
  const work = values.data ?? (await mkdtemp(join(tmpdir(), "millrace-scenarios-")));
  const played: Played[] = [];
  try {
    for (const scenario of asked) {
      const data = join(work, scenario.name);
      played.push(await play(scenario, data));
      for (const { promise, found, holds } of played.at(-1)?.verdicts ?? []) {
        console.log(`${holds ? "holds" : "FAILS"}  ${scenario.name}: ${promise}: ${found}`);
      }
      if (values.data === undefined) await rm(data, { recursive: true, force: true });
    }
  } finally {
    if (values.data === undefined) await rm(work, { recursive: true, force: true });
  }
  const options = values.only === undefined ? "" : ` --only ${values.only}`;
  const text = reportText(played, options, where);
  if (values.report !== undefined) await writeFile(values.report, text);
  return played.every(({ verdicts }) => verdicts.every(({ holds }) => holds)) ? 0 : 1;
}

process.exitCode = await main();
