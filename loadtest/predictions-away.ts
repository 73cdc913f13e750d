/**
 * Takes ClickHouse away while predictions are asked of a gateway, and brings it back: every
 * answered one has to stand in the table once, and the run may not grow by more than 64 MiB. Starts
 * the servers, and flights that run live, in a folder of its own on free ports of 127.0.0.1, and
 * stops what it started. Ends with 1 where the promise is broken or the rate was not reached.
 *
 * node dist/loadtest/predictions-away.js --help
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { durationMs } from "../schemas/duration.ts";
import { accountOf } from "./away/account.ts";
import { AskedPredictions } from "./away/asked-predictions.ts";
import { circumstances } from "./circumstances.ts";
import { registerAnyModel } from "./k6/any-model.ts";
import { type Absence, clickHouseAway, growthMost, storedIds } from "./k6/away.ts";
import { startMissing } from "./k6/under-test.ts";
import { programFlags } from "./program-flags.ts";

const { values } = programFlags({
  command: "node dist/loadtest/predictions-away.js",
  does: "Takes ClickHouse away while predictions are asked of a gateway, and brings it back: every answered one has to stand in the table once, and the run may not grow by more than 64 MiB. Starts what it needs on free ports of 127.0.0.1, and stops it.",
  flags: {
    rate: { type: "string", takes: "N", default: "100", help: "requests a second" },
    rows: {
      type: "string",
      takes: "N",
      default: "20",
      help: "records of a request, each of them a prediction",
    },
    before: {
      type: "string",
      takes: "TIME",
      default: "2m",
      help: "load before ClickHouse goes: what the run takes is known by then",
    },
    away: { type: "string", takes: "TIME", default: "5m", help: "how long it is away" },
    after: { type: "string", takes: "TIME", default: "30s", help: "load once it is back" },
    flights: {
      type: "string",
      takes: "N",
      default: "20",
      help: "flights a second that the run feeds itself",
    },
    report: { type: "string", takes: "FILE", help: "writes the page" },
  },
  fails: "where the promise is broken or the rate was not reached",
});

/** Share of the requests that may not be sent: a machine that is busy for a moment drops some. */
const droppedMost = 0.01;
/** What it takes besides the load: start, drain, end, ms. */
const besidesMs = 900_000;
const warmRequests = 20;
const mib = 2 ** 20;

/** The load with its absence; the rest of the time belongs to nobody. */
async function underLoad(
  asked: AskedPredictions,
  data: string,
  pid: number,
  beforeMs: number,
): Promise<Absence> {
  const over = new AbortController();
  const asking = asked.run(over.signal);
  try {
    const afterMs = durationMs(values.after);
    const awayMs = durationMs(values.away);
    return await clickHouseAway(data, pid, awayMs, { before: beforeMs, afterMs });
  } finally {
    over.abort();
    await asking;
  }
}

async function measure(work: string): Promise<{ page: string; failures: string[] }> {
  const [rate, rows] = [Number(values.rate), Number(values.rows)];
  const beforeMs = durationMs(values.before);
  const loadMs = beforeMs + durationMs(values.away) + durationMs(values.after);
  const data = join(work, "local");
  const under = await startMissing({
    ...{ data, usualPorts: false, workers: 1, gateway: true, mostMs: loadMs + besidesMs },
    runFlags: ["--max-wait", "5s", "--rate", values.flights, "--flight-time", "5s"],
    say: (line) => console.log(line),
  });
  try {
    const { pid, settings } = under;
    if (pid === null) throw new Error("the run has no process of its own");
    await registerAnyModel(data, work);
    const asked = new AskedPredictions({ gateway: settings["GATEWAY"] ?? "", rate, rows });
    for (let each = 0; each < warmRequests; each++) await asked.ask(performance.now());
    const absence = await underLoad(asked, data, pid, beforeMs);
    const { ids, afterMs } = await storedIds(data, asked.answered);
    const account = accountOf(asked.answered, asked.unsure, ids);
    const sorted = asked.latencies.toSorted((a, b) => a - b);
    const at = (share: number) => (sorted[Math.floor(share * sorted.length)] ?? 0).toFixed(0);
    const { rssBefore, rssAway, rssAfter } = absence;
    const growth = Math.max(rssAway, rssAfter) - rssBefore;
    const planned = (rate * loadMs) / 1_000;
    const failures = [
      ...(account.lost > 0 ? [`${account.lost} answered predictions are not in ClickHouse`] : []),
      ...(account.doubled > 0 ? [`${account.doubled} rows stand there twice`] : []),
      ...(account.foreign > 0 ? [`${account.foreign} rows are of nobody's asking`] : []),
      ...(growth > growthMost ? [`the run grew by ${(growth / mib).toFixed(0)} MiB`] : []),
      ...(asked.dropped > planned * droppedMost ? [`${asked.dropped} requests not sent`] : []),
      ...[...asked.failures].map(([why, times]) => `${times} × ${why}`),
    ];
    const memory = [rssBefore, rssAway, rssAfter].map((bytes) => (bytes / mib).toFixed(0));
    const perSecond = (account.answered / (loadMs / 1_000)).toFixed(0);
    const page = [
      "# ClickHouse away under predictions on request",
      "",
      `Command: \`node dist/loadtest/predictions-away.js ${process.argv.slice(2).join(" ")}\``,
      `${await circumstances()} Load average at the end: ${(loadavg()[0] ?? 0).toFixed(0)}.`,
      "",
      `${rate} requests/s of ${rows} records each for ${loadMs / 1_000} s; ClickHouse was away for ${(absence.awayMs / 1_000).toFixed(0)} s of them.`,
      "",
      "| | |",
      "| --- | ---: |",
      `| predictions answered | ${account.answered} (${perSecond}/s) |`,
      `| of them not in ClickHouse | ${account.lost} |`,
      `| rows beyond the first of their id | ${account.doubled} |`,
      `| of requests that failed | ${account.unsure} |`,
      `| requests not sent | ${asked.dropped} |`,
      `| answered by the fallback | ${asked.fallbacks} |`,
      `| all stored so long after the load, s | ${(afterMs / 1_000).toFixed(1)} |`,
      `| most memory of the run before, while it was away, and afterwards, MiB | ${memory.join(", ")} |`,
      `| p50, p99 of a request, ms | ${at(0.5)}, ${at(0.99)} |`,
      "",
      failures.length === 0 ? "The promise held." : "**It failed:**",
      "",
      ...failures.map((each) => `- ${each}`),
    ];
    return { page: `${page.join("\n").trimEnd()}\n`, failures };
  } finally {
    await under.stop();
  }
}

const work = await mkdtemp(join(tmpdir(), "millrace-away-"));
try {
  const { page, failures } = await measure(work);
  console.log(page);
  if (values.report !== undefined) await writeFile(resolve(values.report), page);
  if (failures.length > 0) process.exitCode = 1;
} finally {
  await rm(work, { recursive: true, force: true });
}
