/**
 * Scoring under stress: processes that swap models, resize pools, cancel and are ended by SIGTERM
 * while requests are under way, each of which knows the answer that is its own; the control is
 * piscina with onnxruntime-node, as its manual has it. Then so many requests by id in one process.
 *
 * node dist/loadtest/scoring-stress.js --help
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { circumstances } from "./circumstances.ts";
import { programFlags } from "./program-flags.ts";
import { CheckedLoad, newTally, type Tally } from "./scoring/checked-load.ts";
import { idModel } from "./scoring/id-models.ts";

interface Ended {
  readonly tally: Tally | null;
  /** Signal or code it ended with; "": as it should. */
  readonly end: string;
}

function stressProcess(side: "ours" | "naive", cycles: number, seed: string): Promise<Ended> {
  const program = fileURLToPath(new URL("./scoring/stress-process.js", import.meta.url));
  const args = [program, side, join(folder, side), String(cycles), seed];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { timeout: 300_000 }, (_error, stdout) => {
      const { signalCode, exitCode } = child;
      const end = signalCode ?? (exitCode === 0 ? "" : String(exitCode));
      const line = stdout.trim().split("\n").at(-1) ?? "";
      resolve({ end, tally: line.startsWith("{") ? (JSON.parse(line) as Tally) : null });
    });
  });
}

async function manyRequests(requests: number): Promise<{ tally: Tally; seconds: number }> {
  const own = join(folder, "many");
  const models = [
    await idModel(own, 0, {}),
    await idModel(own, 1, { native: true }),
    await idModel(own, 2, {}),
    await idModel(own, 3, { native: true }),
  ];
  const load = new CheckedLoad(own, models, "many", 3_000);
  const began = performance.now();
  for (let asked = 0; asked < requests; asked += 2_000) {
    await load.askDoor(Math.min(2_000, requests - asked));
    if (asked % 10_000 === 0) load.askStream(500, true);
    if (asked % 100_000 === 0) load.resize(1);
    await load.settled();
  }
  const seconds = (performance.now() - began) / 1000;
  await load.end();
  return { tally: load.tally, seconds };
}

function added(sum: Tally, tally: Tally): void {
  for (const name of Object.keys(sum) as (keyof Tally)[]) sum[name] += tally[name];
}

function lost({ asked, ...ends }: Tally): number {
  const told = ends.right + ends.misrouted + ends.late + ends.cancelled + ends.refused;
  return asked - told - ends.busy - ends.missing - ends.broken;
}

const { values: flags } = programFlags({
  command: "node dist/loadtest/scoring-stress.js",
  does: "Swaps models, resizes pools, cancels, and ends processes by SIGTERM while requests are under way, each of which knows the answer that is its own; the control is piscina with onnxruntime-node alone. Then so many requests by id in one process.",
  flags: {
    processes: { type: "string", takes: "N", default: "50", help: "that are stressed" },
    cycles: { type: "string", takes: "N", default: "20", help: "of a process" },
    requests: { type: "string", takes: "N", default: "10000000", help: "by id" },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where an answer is lost or misrouted",
});
const folder = await mkdtemp(join(tmpdir(), "millrace-stress-"));
try {
  const [processes, cycles] = [Number(flags.processes), Number(flags.cycles)];
  const sum = newTally();
  const bad: string[] = [];
  for (let each = 0; each < processes; each++) {
    const { tally, end } = await stressProcess("ours", cycles, `process ${each}`);
    if (end !== "" || tally === null) bad.push(end);
    else added(sum, tally);
  }
  const controls: string[] = [];
  for (let each = 0; each < Math.min(10, processes); each++) {
    controls.push((await stressProcess("naive", cycles, String(each))).end);
  }
  const many = await manyRequests(Number(flags.requests));
  const aborts = controls.filter((end) => end === "SIGABRT").length;
  const perSecond = Math.round(many.tally.asked / many.seconds);
  const lines = [
    "| | processes | cycles | ended otherwise than by themselves | requests | right | late | cancelled | refused by a closing pool | no room | of a missing model | misrouted | failed | lost |",
    `| --- |${" ---: |".repeat(13)}`,
    row("this pool", processes, processes * cycles, bad.length, sum),
    row("requests by id", 1, 1, 0, many.tally),
    "",
    `The control, piscina with onnxruntime-node: ${aborts} of ${controls.length} processes aborted (SIGABRT).`,
    "",
    `Requests by id went at ${perSecond} a second, one to three rows each.`,
  ];
  console.log(lines.join("\n"));
  if (flags.report !== undefined) {
    const command = `node dist/loadtest/scoring-stress.js --processes ${processes} --cycles ${cycles} --requests ${flags.requests}`;
    const head = `# Scoring under stress\n\n${await circumstances()} Reproduce: \`${command}\`.`;
    await writeFile(flags.report, `${head}\n\n${lines.join("\n")}\n`);
  }
  const wrong = [sum, many.tally].reduce(
    (all, tally) => all + tally.misrouted + tally.broken + Math.abs(lost(tally)),
    bad.length,
  );
  process.exitCode = wrong === 0 ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

function row(name: string, count: number, cycles: number, bad: number, tally: Tally): string {
  const { asked, right, late, cancelled, refused, busy, missing, misrouted, broken } = tally;
  const ends = [right, late, cancelled, refused, busy, missing, misrouted, broken, lost(tally)];
  const cells = [asked, ...ends];
  return `| ${name} | ${count} | ${cycles} | ${bad} | ${cells.join(" | ")} |`;
}
