/**
 * What serving takes, in one report: predictions over the gateway at 500 requests/s, departures to
 * their committed predictions at 5,000 events/s, and wide feature reads beside those of Feast's
 * Python SDK from the same Redis.
 *
 * node dist/loadtest/serving.js --help
 *
 * `--python` has Feast: pip install 'feast[redis]==0.67.0'. Without it its column is left out.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../schemas/package-root.ts";
import { startRedis } from "../stacks/local/redis.ts";
import { circumstances } from "./circumstances.ts";
import { failuresOf, type K6Summary } from "./k6/verdict.ts";
import { medianOf, type Timing } from "./latency/timing.ts";
import { entitiesStored, shapes, timeWideReads } from "./latency/wide-reads.ts";
import { programFlags } from "./program-flags.ts";

const run = promisify(execFile);

const { values } = programFlags({
  command: "node dist/loadtest/serving.js",
  does: "What serving takes, in one page: predictions over the gateway, departures to their committed predictions, and wide feature reads beside those of Feast's Python SDK from the same Redis.",
  flags: {
    for: { type: "string", takes: "TIME", default: "60s", help: "length of each load" },
    requests: { type: "string", takes: "N", default: "500", help: "predictions a second" },
    events: { type: "string", takes: "N", default: "5000", help: "events a second" },
    samples: { type: "string", takes: "N", default: "2000", help: "feature reads of a round" },
    rounds: { type: "string", takes: "N", default: "3", help: "of which the median counts" },
    python: {
      type: "string",
      takes: "FILE",
      help: "a Python with feast[redis]==0.67.0 (left out: so is its column)",
    },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where a load test failed",
});

/** One load test of k6: times of its metrics, and why it failed. */
async function loadTest(
  script: string,
  rate: string,
  work: string,
): Promise<{ readonly summary: K6Summary | null; readonly failures: readonly string[] }> {
  const report = join(work, `${script}.md`);
  const args = [join(packageRoot(), "dist", "loadtest", "k6.js"), script];
  const load = ["--rate", rate, "--for", values.for, "--report", report];
  console.log(`${script} at ${rate}/s for ${values.for} …`);
  const exit = await run(process.execPath, [...args, ...load], { maxBuffer: 1 << 26 }).then(
    () => 0,
    ({ code }: { code?: number }) => code ?? 1,
  );
  const text = await readFile(join(work, `${script}.json`), "utf8").catch(() => null);
  const summary = text === null ? null : (JSON.parse(text) as K6Summary);
  return { summary, failures: failuresOf(summary, exit) };
}

function timesOf(summary: K6Summary | null, metric: string): string {
  const found = summary?.metrics[metric]?.values ?? {};
  const ms = (name: string) => found[name]?.toFixed(1) ?? "-";
  return `${found["count"] ?? 0} | ${ms("p(50)")} | ${ms("p(99)")} | ${ms("max")}`;
}

/** Both from one Redis, round by round, so that what else the machine does meets both. */
async function wideReads(work: string): Promise<Timing[]> {
  const server = await startRedis({ directory: join(work, "redis") });
  try {
    const rounds: Timing[][] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      console.log(`wide feature reads, round ${round + 1} of ${values.rounds} …`);
      rounds.push([
        ...(await timeWideReads(server.url, Number(values.samples))),
        ...(values.python === undefined ? [] : await feastReads(values.python, server.port)),
      ]);
    }
    const [first = []] = rounds;
    return first.map((_, at) => medianOf(rounds.flatMap((round) => round[at] ?? [])));
  } finally {
    await server.stop();
  }
}

async function feastReads(python: string, port: number): Promise<Timing[]> {
  const script = join(packageRoot(), "loadtest", "latency", "feast-reads.py");
  const texts = shapes.map(({ entities, features }) => `${entities}x${features}`);
  const where = ["--redis", `127.0.0.1:${port}`, "--shapes", texts.join()];
  const how = ["--stored", String(entitiesStored), "--samples", values.samples];
  const { stdout } = await run(resolve(python), [script, ...where, ...how]);
  const told = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<
    string,
    Omit<Timing, "name">
  >;
  return shapes.map(({ entities, features }) => {
    const found = told[`${entities}x${features}`];
    if (found === undefined) throw new Error(`Feast told nothing of ${entities} × ${features}`);
    return { ...found, name: `${entities} × ${features}, Feast's Python SDK` };
  });
}

async function main(): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), "millrace-serving-"));
  try {
    const predict = await loadTest("predict", values.requests, work);
    const ingest = await loadTest("ingest-kafka", values.events, work);
    const reads = await wideReads(work);
    const failures = [...predict.failures, ...ingest.failures];
    const head = [
      "| | measured | p50, ms | p99, ms | most, ms |",
      "| --- | ---: | ---: | ---: | ---: |",
    ];
    const text = [
      "# What serving takes",
      "",
      `Command: \`node dist/loadtest/serving.js ${process.argv.slice(2).join(" ")}\``,
      `${await circumstances()} Load average at the end: ${(loadavg()[0] ?? 0).toFixed(0)}.`,
      "",
      ...head,
      `| \`POST /v1/predict\` at ${values.requests} requests/s | ${timesOf(predict.summary, "predict_ms")} |`,
      `| departure to committed prediction at ${values.events} events/s, local stack | ${timesOf(ingest.summary, "prediction_ms")} |`,
      "",
      `Features from one Redis, one call at a time, the median of ${values.rounds} rounds: entities × features of one view, without HTTP (Millrace: from the body of a request to that of its answer; Feast: from keys to a dictionary).`,
      "",
      ...head,
      ...reads.map(({ name, samples, p50, p99, max }) => {
        return `| ${name} | ${samples} | ${p50.toFixed(3)} | ${p99.toFixed(3)} | ${max.toFixed(1)} |`;
      }),
      "",
      failures.length === 0 ? "Every threshold of the load tests held." : "**Load tests failed:**",
      "",
      ...failures.map((each) => `- ${each}`),
    ];
    const page = `${text.join("\n").trimEnd()}\n`;
    console.log(page);
    if (values.report !== undefined) await writeFile(resolve(values.report), page);
    if (failures.length > 0) process.exitCode = 1;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

await main();
