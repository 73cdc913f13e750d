/**
 * Runs live mode under load and misfortune: a partition without records, one that a hung
 * transaction makes unreadable, workers and whole runs killed with SIGKILL and started again at
 * once. Then the run is read again with its decisions and must be equal, byte for byte. On the
 * embedded stack the load is the run's own, nobody else can hang, and whole runs are killed.
 *
 * node dist/loadtest/live.js --help
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { RereadReport } from "../audit/reread/reread-run.ts";
import type { Broker } from "../broker/broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import type { LatencyHistogram } from "../cli/live/latency-histogram.ts";
import { type LiveFacts, liveText } from "../cli/live/live-facts.ts";
import { PredictionLatency } from "../cli/live/prediction-latency.ts";
import { groundTruthText } from "../cli/summary/ground-truth-text.ts";
import type { Summary } from "../cli/summary/summary.ts";
import { LoadGenerator, type LoadReport } from "../examples/flights/load/load-generator.ts";
import type { Stack } from "../runtime/hosting/stack.ts";
import { durationMs } from "../schemas/duration.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { openLocalStack } from "../stacks/local-stack.ts";
import { flights as plan } from "../topologies/flights/flights.ts";
import { circumstances } from "./circumstances.ts";
import { type Outage, type Waits, waitsBeside } from "./live/waits.ts";
import { programFlags } from "./program-flags.ts";
import { millrace, RunProcess } from "./run-process.ts";

const { values } = programFlags({
  command: "node dist/loadtest/live.js",
  does: "Runs live mode under load and misfortune: silent and unreadable partitions, processes that are killed and started again. Then the run is read again with its decisions and has to be equal, byte for byte.",
  flags: {
    stack: {
      ...{ type: "string", takes: "NAME", default: "local", among: ["local", "embedded"] },
      help: "where it runs; on the embedded stack whole runs are killed",
    },
    for: { type: "string", takes: "TIME", default: "5m", help: "length of the load" },
    rate: { type: "string", takes: "N", default: "1000", help: "events a second" },
    "max-wait": { type: "string", takes: "TIME", default: "5s", help: "of the run" },
    "flight-time": { type: "string", takes: "TIME", default: "30s", help: "of a flight" },
    kills: { type: "string", takes: "N", default: "5", least: 0, help: "SIGKILLs" },
    workers: {
      type: "string",
      takes: "N",
      default: "2",
      help: "processes of the run, on the local stack",
    },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where a promise is broken",
});

const isLocal = values.stack === "local";
const workers = isLocal ? Number(values.workers) : 1;
const lengthMs = durationMs(values.for);
const maxWaitMs = durationMs(values["max-wait"]);
const program = fileURLToPath(new URL("../cli/main.js", import.meta.url));
/** Time that a run needs to start, during which it sends nothing yet, ms. */
const startMs = 60_000;
/** How much later than due a busy task may notice that a wait is over, ms. */
const noticeMs = 2_000;
/** Shares of the time at which partition 1 gets nothing, and at which partition 2 hangs. */
const silentAt = { from: 0.13, length: 0.2 };
const hungAt = { from: 0.53, length: 0.1 };

/** A stack, the run on it, and when it was down. */
class Scene {
  readonly args: readonly string[];
  readonly outages: Outage[] = [];
  run: RunProcess;

  constructor(args: readonly string[]) {
    this.args = args;
    this.run = new RunProcess(args);
  }

  /** Resolves when all workers of a run have their tasks. */
  async ready(): Promise<void> {
    await this.run.saw(/tasks restored/);
    for (let worker = 0; workers > 1 && worker < workers; worker++) {
      await this.run.saw(restored(worker));
    }
  }

  /** Kills everything, and starts it again at once. */
  async killRun(): Promise<void> {
    const from = Date.now();
    this.run.signal("SIGKILL");
    await this.run.ended;
    this.run = new RunProcess(this.args);
    await this.ready();
    this.outages.push({ from, to: Date.now() });
  }

  /** Kills one worker; its run starts it again. */
  async killWorker(worker: number): Promise<void> {
    const from = Date.now();
    const before = this.run.output.length;
    process.kill(this.run.workers.get(String(worker)) as number, "SIGKILL");
    while (!restored(worker).test(this.run.output.slice(before))) await sleep(20);
    this.outages.push({ from, to: Date.now() });
  }
}

/** The line of the log in which a worker says so. */
function restored(worker: number): RegExp {
  return new RegExp(`"worker":"${worker}"[^\\n]*tasks restored`);
}

/** Kills at even distances: the whole run, then one worker after the other. */
async function killAll(scene: Scene, began: number): Promise<number> {
  const kills = Number(values.kills);
  for (let kill = 1; kill <= kills; kill++) {
    await sleep(Math.max(0, began + (kill * lengthMs) / (kills + 1) - Date.now()));
    const worker = kill % workers;
    const whole = workers === 1 || kill % 2 === 1;
    await (whole ? scene.killRun() : scene.killWorker(worker));
    const { from, to } = scene.outages.at(-1) as Outage;
    const what = whole ? "the run" : `worker ${worker}`;
    console.log(`kill ${kill} of ${kills}: ${what}, back after ${to - from} ms`);
  }
  return kills;
}

/** A producer that hangs with a transaction open: nothing behind it can be read. */
async function hang(broker: Broker, began: number): Promise<void> {
  await sleep(Math.max(0, began + hungAt.from * lengthMs - Date.now()));
  const transactionTimeoutMs = 120_000;
  const producer = await broker.producer({
    transactionalId: "loadtest-live",
    transactionTimeoutMs,
  });
  const builder = new RecordBatchBuilder();
  builder.append(Buffer.from("hung"), Buffer.from("hung"), Date.now());
  producer.begin();
  await producer.send([{ topic: "flights.arrivals", partition: 2, batch: builder.build() }]);
  await sleep(hungAt.length * lengthMs);
  await producer.abort();
  await producer.close();
}

/** What was seen from outside of the run. */
interface Seen {
  readonly load: LoadReport;
  readonly latency: LatencyHistogram;
  readonly waits: Waits;
}

interface Finding {
  readonly exit: number | null;
  readonly kills: number;
  readonly outages: readonly Outage[];
  /** Null on the embedded stack, which only the run itself can see. */
  readonly seen: Seen | null;
  readonly summary: Summary & { readonly live: LiveFacts };
  readonly verified: { readonly problems: readonly string[]; readonly reread: RereadReport };
}

/** The load for its time, with everything that goes wrong meanwhile. */
async function suffer(stack: Stack, scene: Scene) {
  const { broker, registry } = stack;
  await scene.ready();
  const began = Date.now();
  const generator = await LoadGenerator.open({
    ...{ broker, registry, partitions: plan.partitions, seed: 1, rate: Number(values.rate) },
    flightTimeMs: durationMs(values["flight-time"]),
    silences: [
      {
        partition: 1,
        startMs: silentAt.from * lengthMs,
        lengthMs: silentAt.length * lengthMs,
      },
    ],
    until: began + lengthMs,
    signal: new AbortController().signal,
  });
  const seen: [number, number][] = [];
  const onPrediction = (eventTime: number, seenAt: number) => seen.push([eventTime, seenAt]);
  const latency = PredictionLatency.start({ plans: [plan], broker, registry, onPrediction });
  const [load, kills] = await Promise.all([
    generator.run(),
    killAll(scene, began),
    hang(broker, began),
  ]);
  const exit = await scene.run.ended;
  await latency.stop();
  await generator.close();
  const waits = waitsBeside(seen, scene.outages, maxWaitMs);
  return { kills, exit, seen: { load, latency: latency.histogram, waits } };
}

/** `millrace verify --reread`, which exits with 1 when something differs. */
function verify(args: readonly string[]): Promise<Finding["verified"]> {
  return new Promise((resolve, reject) => {
    const all = [program, "verify", "--live", "--reread", "--json", ...args];
    execFile(process.execPath, all, { maxBuffer: 1 << 28 }, (error, stdout) => {
      try {
        resolve(JSON.parse(stdout) as Finding["verified"]);
      } catch {
        reject(error);
      }
    });
  });
}

/** The local stack: servers, load and what is seen of the answers are outside of the run. */
async function findOnServers(data: string): Promise<Finding> {
  const ports = await freePorts(4);
  const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = ports;
  const stack = await openLocalStack({
    directory: data,
    ports: { kafka, registry, redis, clickhouse },
  });
  const scene = new Scene([
    ...runArgs(data),
    ...["--workers", values.workers, "--for", `${lengthMs + startMs}ms`],
  ]);
  try {
    return await conclude(scene, data, await suffer(stack, scene));
  } finally {
    scene.run.signal("SIGKILL");
    await scene.run.ended;
    await stack.close();
  }
}

/** The embedded stack: all of it is the run's. */
async function findInside(data: string): Promise<Finding> {
  const silent = `1@${silentAt.from * lengthMs}ms+${silentAt.length * lengthMs}ms`;
  const scene = new Scene([
    ...runArgs(data),
    ...["--for", values.for, "--rate", values.rate, "--silent", silent],
    ...["--flight-time", values["flight-time"]],
  ]);
  try {
    await scene.ready();
    const kills = await killAll(scene, Date.now());
    return await conclude(scene, data, { kills, exit: await scene.run.ended, seen: null });
  } finally {
    scene.run.signal("SIGKILL");
    await scene.run.ended;
  }
}

function where(data: string): string[] {
  return ["--stack", values.stack, "--data", data];
}

function summaryFile(data: string): string {
  return `${data}.json`;
}

function runArgs(data: string): string[] {
  return [
    ...["--live", ...where(data), "--max-wait", values["max-wait"]],
    ...["--metrics", "off", "--summary", summaryFile(data)],
  ];
}

/** What the run says of itself, and what reading it again says. */
async function conclude(
  scene: Scene,
  data: string,
  found: Pick<Finding, "exit" | "kills" | "seen">,
): Promise<Finding> {
  if (found.exit !== 0) console.error(scene.run.output);
  const text = await readFile(summaryFile(data), "utf8");
  const verified = await verify(where(data));
  const summary = JSON.parse(text) as Finding["summary"];
  return { ...found, outages: scene.outages, summary, verified };
}

/** What was promised and did not hold. */
function failures({ exit, summary, verified, seen, kills }: Finding): string[] {
  const { incomplete, decisions, longestWaitMs } = summary.live;
  const total = summary.predictions.total;
  const checks: [boolean, string][] = [
    [exit === 0 && summary.balanced === true, `the run ended with ${exit} and does not balance`],
    [kills === Number(values.kills), "not all kills took place"],
    [longestWaitMs <= maxWaitMs + noticeMs, `something waited for ${longestWaitMs} ms`],
    [!isLocal || incomplete > 0, "no prediction was incomplete, although a partition hung"],
    [!isLocal || (decisions["wait"] ?? 0) > 0, "no wait was ended"],
    [summary.live.latencyMs.count === total, "predictions were not measured once each"],
    [(seen?.waits.predictions ?? total) === total, "predictions were not seen once each"],
    [verified.problems.length === 0, verified.problems.join("\n")],
  ];
  return checks.flatMap(([holds, text]) => (holds ? [] : [text]));
}

const number = (value: number | null) => (value ?? 0).toLocaleString("en-US");

function seenLines({ load, latency, waits }: Seen): string[] {
  return [
    `events         ${number(load.departures)} departures, ${number(load.arrivals)} arrivals, ` +
      `sent at most ${number(load.behindMsMax)} ms behind the schedule`,
    `from outside   p50 ${number(latency.quantile(0.5))} ms, ` +
      `p99 ${number(latency.quantile(0.99))} ms, most ${number(latency.maxMs)} ms ` +
      `(${number(latency.count)} predictions)`,
    `besides kills  most ${number(waits.mostMs)} ms; ${number(waits.beyond)} took more than ` +
      `${number(maxWaitMs)} ms`,
  ];
}

function lines({ seen, outages, summary, verified }: Finding): string[] {
  const down = outages.map(({ from, to }) => `${((to - from) / 1000).toFixed(1)} s`).join(", ");
  const compared = verified.reread.topics.reduce((sum, { records }) => sum + records, 0);
  const different = verified.reread.topics.filter(({ differences }) => differences.length > 0);
  return [
    ...(seen === null ? [] : seenLines(seen)),
    `down           ${down}`,
    liveText({ ...summary.live, load: null }),
    `ground truth   ${groundTruthText(summary.outcomes)}`,
    `read again     ${number(compared)} records in ${verified.reread.topics.length} topics, ` +
      (different.length === 0 ? "all equal" : `${different.length} topics DIFFER`),
  ];
}

async function report(file: string, text: readonly string[]): Promise<void> {
  const { stack, rate, kills } = values;
  const command =
    `node dist/loadtest/live.js --stack ${stack} --for ${values.for} --rate ${rate} ` +
    `--max-wait ${values["max-wait"]} --kills ${kills}${isLocal ? ` --workers ${workers}` : ""}`;
  const seconds = (share: number) => `${Math.round((share * lengthMs) / 1000)} s`;
  const hung =
    `; from ${seconds(hungAt.from)} on an open transaction made partition 2 of the arrivals ` +
    `unreadable for ${seconds(hungAt.length)}`;
  const page = [
    `# Live on the ${stack} stack: ${values.for} at ${rate} events/s, ${kills} SIGKILLs`,
    "",
    `Command: \`${command}\``,
    `${await circumstances()} Load average at the end: ${loadavg()[0]?.toFixed(0)}.`,
    "",
    `From ${seconds(silentAt.from)} on partition 1 got no records for ` +
      `${seconds(silentAt.length)}${isLocal ? hung : ""}. ` +
      (workers > 1 ? "The run and one of its workers, in turn, were" : "The run was") +
      " killed and started again at once. Latency: from the event time of a departure until a " +
      "consumer at read_committed has its prediction; the time that a kill cost counts. The " +
      "longest wait is the time that a record had been in a task when it ended a wait, as the " +
      "decisions say.",
    "",
    "```",
    ...text,
    "```",
    "",
  ];
  await writeFile(file, page.join("\n"));
}

async function main(): Promise<number> {
  const work = await mkdtemp(join(tmpdir(), "millrace-live-load-"));
  const data = join(work, values.stack);
  let failed: readonly string[] = ["it did not come to its end"];
  try {
    const finding = await (isLocal ? findOnServers(data) : findInside(data));
    failed = failures(finding);
    const text = [...lines(finding), ...failed.map((each) => `FAILED: ${each}`)];
    console.log(text.join("\n"));
    if (values.report !== undefined) await report(values.report, text);
    return failed.length === 0 ? 0 : 1;
  } finally {
    if (isLocal) await millrace("stack", "down", "--data", data).catch(() => {});
    if (failed.length === 0) await rm(work, { recursive: true, force: true });
    else console.log(`Its data stay in ${work}.`);
  }
}

process.exitCode = await main();
