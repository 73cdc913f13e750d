/**
 * Times `npm start` as a user sees it, on a fresh data directory each time: to the first line and
 * to the end, with what the summary says.
 *
 * node dist/loadtest/start.js --help
 */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Summary } from "../cli/summary/summary.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { circumstances } from "./circumstances.ts";
import { programFlags } from "./program-flags.ts";

interface Timed {
  readonly firstLineSeconds: number;
  readonly seconds: number;
  readonly exit: number | null;
  readonly summary: Summary;
}

async function time(to: string): Promise<Timed> {
  const work = await mkdtemp(join(tmpdir(), "millrace-start-"));
  const json = join(work, "summary.json");
  const args = [
    "start",
    "--silent",
    "--",
    "--data",
    join(work, "data"),
    "--to",
    to,
    "--summary",
    json,
  ];
  try {
    const started = performance.now();
    const since = () => (performance.now() - started) / 1000;
    const child = spawn("npm", args, {
      cwd: packageRoot(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let firstLineSeconds = Number.NaN;
    child.stdout.on("data", () => {
      if (Number.isNaN(firstLineSeconds)) firstLineSeconds = since();
    });
    const exit = await new Promise<number | null>((resolve) => child.once("exit", resolve));
    const seconds = since();
    return {
      firstLineSeconds,
      seconds,
      exit,
      summary: JSON.parse(await readFile(json, "utf8")) as Summary,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function row({ firstLineSeconds, seconds, exit, summary }: Timed): string {
  const models = summary.models.map(
    ({ version, scored, liveAuc }) =>
      `${version}: ${liveAuc === null ? "-" : liveAuc.toFixed(3)} on ${scored}`,
  );
  const memory = Math.round(summary.memory.maxRssBytes / 2 ** 20);
  return (
    `| ${firstLineSeconds.toFixed(2)} | ${seconds.toFixed(1)} | ${exit} | ${summary.balanced} | ` +
    `${Math.round(summary.throughput.eventsPerSecond)} | ${memory} | ${models.join("; ")} |`
  );
}

const { values } = programFlags({
  command: "node dist/loadtest/start.js",
  does: "Times npm start as a user sees it, on a fresh data directory each time: to the first line and to the end.",
  flags: {
    runs: { type: "string", takes: "N", default: "3", help: "of which the median counts" },
    to: { type: "string", takes: "DATE", default: "2001-01-15", help: "behind the last event" },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where a run failed or did not balance",
});
const timed: Timed[] = [];
for (let run = 0; run < Number(values.runs); run++) {
  timed.push(await time(values.to));
  console.log(row(timed.at(-1) as Timed));
}
const middle = timed.map(({ seconds }) => seconds).sort((a, b) => a - b)[timed.length >> 1];
const lines = [
  `# npm start, 2001-01-01 to ${values.to}`,
  "",
  `Command: \`node dist/loadtest/start.js --runs ${values.runs} --to ${values.to}\``,
  await circumstances(),
  "",
  `Median of ${timed.length}: ${middle?.toFixed(1)} s.`,
  "",
  "| first line, s | total, s | exit | balanced | source records/s | peak memory, MB | live AUC by version |",
  "| --- | --- | --- | --- | --- | --- | --- |",
  ...timed.map(row),
  "",
];
console.log(lines.join("\n"));
if (values.report !== undefined) await writeFile(values.report, lines.join("\n"));
if (timed.some(({ exit, summary }) => exit !== 0 || !summary.balanced)) process.exitCode = 1;
