/**
 * Kills `millrace run` with SIGKILL at random moments, lets it finish, and compares what it left
 * behind with an undisturbed run: feature rows, predictions, outcomes and models must be equal.
 *
 * node dist/loadtest/kills.js [--app NAME] [--kills N] [--seed S] [--report FILE] [-- FLAGS OF RUN]
 */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import type { ApplicationSpec } from "../runtime/hosting/application-spec.ts";
import type { Plan } from "../schemas/plan.ts";
import { circumstances } from "./circumstances.ts";
import { digestsOf, leaksOf } from "./digests.ts";
import { seededRandom } from "./seeded-random.ts";

const run = promisify(execFile);
const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));

async function query(data: string, sql: string): Promise<string> {
  const args = [program, "sql", "--data", data, "--format", "TSV", sql];
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 });
  return stdout.trim();
}

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
  const { values, positionals: flags } = parseArgs({
    allowPositionals: true,
    options: {
      app: { type: "string", default: "flights" },
      kills: { type: "string", default: "10" },
      seed: { type: "string", default: "1" },
      report: { type: "string" },
    },
  });
  const work = await mkdtemp(join(tmpdir(), "millrace-kills-"));
  try {
    return await compare(work, { ...values, flags });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

type Values = Readonly<Record<"app" | "kills" | "seed", string>> & {
  readonly report?: string;
  /** What follows `millrace run` and the module. */
  readonly flags: readonly string[];
};

async function compare(work: string, values: Values): Promise<number> {
  // An application of the examples, as compiled.
  const app = fileURLToPath(new URL(`../examples/${values.app}/app.js`, import.meta.url));
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
  const { balanced } = JSON.parse(await readFile(summary, "utf8")) as { balanced: boolean };
  const lines: Difference[] = [];
  for (const plan of spec.topologies) lines.push(...(await differences(plan, calm, killed)));
  const failed = last.code !== 0 || !balanced || lines.some(({ equal }) => !equal);
  const text = [
    ...lines.map(({ name, calm, killed, equal }) =>
      equal ? `equal      ${name}: ${calm}` : `DIFFERENT  ${name}: ${calm} against ${killed}`,
    ),
    balanced ? "the summary balances" : "the summary DOES NOT balance",
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
  const lines: Difference[] = [];
  for (const [name, sql] of Object.entries(digestsOf(plan))) {
    const [a, b] = [await query(calm, sql), await query(killed, sql)];
    lines.push({ name, calm: a, killed: b, equal: a === b });
  }
  for (const [name, sql] of Object.entries(leaksOf(plan))) {
    const leaked = await query(killed, sql);
    lines.push({ name, calm: "0", killed: leaked, equal: leaked === "0" });
  }
  return lines;
}

async function report(file: string, values: Values, calm: Attempt, text: string): Promise<void> {
  const { app, kills, seed, flags } = values;
  const own = flags.length === 0 ? "" : ` -- ${flags.join(" ")}`;
  const lines = [
    `# ${kills} SIGKILLs of ${app}`,
    "",
    `Command: \`node dist/loadtest/kills.js --app ${app} --kills ${kills} --seed ${seed}${own}\``,
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
