/**
 * Kills `millrace run` with SIGKILL at random moments, lets it finish, and compares what it left
 * behind with an undisturbed run: feature rows, predictions, outcomes and models must be equal, and
 * at least so many models as `--models` says promoted, with records that they scored.
 *
 * node dist/loadtest/kills.js --help
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Summary } from "../cli/summary/summary.ts";
import type { ApplicationSpec } from "../runtime/hosting/application-spec.ts";
import type { Plan } from "../schemas/plan.ts";
import { circumstances } from "./circumstances.ts";
import { allDigests, leaksOf } from "./digests.ts";
import { programFlags, refuse } from "./program-flags.ts";
import { querySql } from "./run-process.ts";
import { seededRandom } from "./seeded-random.ts";

const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));

interface Attempt {
  readonly code: number | null;
  readonly seconds: number;
}

/** Runs to the end, or is killed after `killAfterMs`. */
async function attempt(args: readonly string[], killAfterMs: number | null): Promise<Attempt> {
  const started = performance.now();
  const child = spawn(process.execPath, [program, "run", ...args], { stdio: "ignore" });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  if (killAfterMs !== null) {
    await Promise.race([sleep(killAfterMs, undefined, { ref: false }), ended]);
    child.kill("SIGKILL");
  }
  const code = await ended;
  return { code, seconds: (performance.now() - started) / 1000 };
}

async function main(): Promise<number> {
  const { values, positionals: flags } = programFlags({
    command: "node dist/loadtest/kills.js",
    does: "Kills a run with SIGKILL at random moments, lets it finish, and compares what it left with an undisturbed run: feature rows, predictions, outcomes and models have to be equal.",
    words: "[-- FLAGS OF RUN]",
    flags: {
      app: { type: "string", takes: "NAME", default: "flights", help: "a folder of examples/" },
      kills: { type: "string", takes: "N", default: "10", help: "SIGKILLs" },
      seed: { type: "string", takes: "N", default: "1", least: 0, help: "when it kills" },
      models: {
        type: "string",
        takes: "N",
        default: "0",
        least: 0,
        help: "models that have to be promoted and to have scored at least",
      },
      report: { type: "string", takes: "FILE", help: "writes the page" },
    },
    fails: "where the comparison or a run fails",
  });
  const work = await mkdtemp(join(tmpdir(), "millrace-kills-"));
  try {
    return await compare(work, { ...values, flags });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

type Values = Readonly<Record<"app" | "kills" | "seed" | "models", string>> & {
  readonly report?: string;
  /** What follows `millrace run` and the module. */
  readonly flags: readonly string[];
};

async function compare(work: string, values: Values): Promise<number> {
  // An application of the examples, as compiled.
  const app = fileURLToPath(new URL(`../examples/${values.app}/app.js`, import.meta.url));
  if (!existsSync(app)) refuse(`--app ${values.app}: there is no ${app}`);
  const { default: spec } = (await import(app)) as { default: ApplicationSpec };
  const command = [app, ...values.flags];
  const calm = join(work, "calm");
  const killed = join(work, "killed");
  const summary = join(work, "summary.json");
  const undisturbed = await attempt([...command, "--data", calm], null);
  if (undisturbed.code !== 0) {
    console.error(`the undisturbed run ended with ${undisturbed.code}`);
    return 1;
  }
  console.log(`undisturbed run: ${undisturbed.seconds.toFixed(1)} s`);
  const next = seededRandom(Number(values.seed));
  const kills = Number(values.kills);
  for (let kill = 1; kill <= kills; kill++) {
    // From before the lock is taken to well into the run; a run that ends first is killed no more.
    const after = 150 + next() * (2_000 + (undisturbed.seconds * 1_500) / kills);
    const { code } = await attempt([...command, "--data", killed], after);
    console.log(`kill ${kill} of ${kills} after ${(after / 1000).toFixed(2)} s (exit ${code})`);
  }
  const last = await attempt([...command, "--data", killed, "--summary", summary], null);
  console.log(`last run: exit ${last.code}, ${last.seconds.toFixed(1)} s`);
  const { balanced, models } = JSON.parse(await readFile(summary, "utf8")) as Summary;
  const scoring = models.filter(({ promoted, scored }) => promoted && scored > 0);
  const enough = scoring.length >= Number(values.models);
  const lines: Difference[] = [];
  for (const plan of spec.topologies) lines.push(...(await differences(plan, calm, killed)));
  const failed = last.code !== 0 || !balanced || !enough || lines.some(({ equal }) => !equal);
  const text = [
    ...lines.map(({ name, calm, killed, equal }) =>
      equal ? `equal      ${name}: ${calm}` : `DIFFERENT  ${name}: ${calm} against ${killed}`,
    ),
    balanced ? "the summary balances" : "the summary DOES NOT balance",
    `${scoring.length} models promoted that scored${enough ? "" : `, NOT ${values.models}`}`,
  ].join("\n");
  console.log(text);
  if (values.report !== undefined) await report(values.report, values, undisturbed, text);
  return failed ? 1 : 0;
}

interface Difference {
  readonly name: string;
  readonly calm: string;
  readonly killed: string;
  readonly equal: boolean;
}

async function differences(plan: Plan, calm: string, killed: string): Promise<Difference[]> {
  const digests = allDigests(plan);
  const before = (await querySql(["--data", calm], digests)).split("\n");
  const after = (await querySql(["--data", killed], digests)).split("\n");
  const lines = before.map((line, index) => {
    const [name = "", ...digest] = line.split("\t");
    const [, ...other] = (after[index] ?? "").split("\t");
    const equal = line === after[index];
    return { name, calm: digest.join(" "), killed: other.join(" "), equal };
  });
  for (const [name, sql] of Object.entries(leaksOf(plan))) {
    const leaked = await querySql(["--data", killed], sql);
    lines.push({ name, calm: "0", killed: leaked, equal: leaked === "0" });
  }
  return lines;
}

async function report(file: string, values: Values, calm: Attempt, text: string): Promise<void> {
  const { app, kills, seed, models, flags } = values;
  const own = flags.length === 0 ? "" : ` -- ${flags.join(" ")}`;
  const lines = [
    `# ${kills} SIGKILLs of ${app}`,
    "",
    `Command: \`node dist/loadtest/kills.js --app ${app} --kills ${kills} --seed ${seed} ` +
      `--models ${models}${own}\``,
    await circumstances(),
    `The undisturbed run took ${calm.seconds.toFixed(1)} s.`,
    "",
    "```",
    text,
    "```",
    "",
  ];
  await writeFile(file, lines.join("\n"));
}

process.exitCode = await main();
