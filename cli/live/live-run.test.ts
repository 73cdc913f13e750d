/** A live run, killed once and started again, read again with its decisions. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { rereadRun } from "../../audit/reread/reread-run.ts";
import { verifyRun } from "../../audit/verify-run.ts";
import { storesOf } from "../../runtime/hosting/stack.ts";
import { openEmbeddedStack } from "../../stacks/embedded-stack.ts";
import { ofFlights } from "../../testing/flights-app-fixture.ts";
import { flights as plan } from "../../topologies/flights/flights.ts";
import { askMillrace, killStarted } from "../millrace-fixture.ts";
import type { Summary } from "../summary/summary.ts";
import type { LiveFacts } from "./live-facts.ts";
import type { LiveRecord } from "./live-record.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-live-"));
const data = join(folder, "data");
const summaryFile = join(folder, "summary.json");
const main = fileURLToPath(new URL("../main.js", import.meta.url));
const children = new Set<ChildProcess>();
const patienceMs = 120_000;

after(() => {
  for (const child of children) child.kill("SIGKILL");
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});

interface Outcome {
  readonly code: number | null;
  readonly text: string;
}

function start(...args: string[]): { child: ChildProcess; ended: Promise<Outcome> } {
  const child = spawn(process.execPath, [main, ...ofFlights(args), "--data", data], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.add(child);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      text += chunk;
    });
  }
  const ended = new Promise<Outcome>((resolve) => {
    child.once("exit", (code) => resolve({ code, text }));
  });
  return { child, ended };
}

const ask = (...args: string[]) => askMillrace(...args, "--data", data);

const live = [
  ...["run", "--live", "--for", "20s", "--rate", "200", "--flight-time", "1s"],
  ...["--max-wait", "2s", "--silent", "1@3s+5s", "--metrics", "off", "--summary", summaryFile],
];

/** Waits until predictions have been measured: the run is well under way. */
async function untilPredicting(): Promise<void> {
  const file = join(data, "live.json");
  for (const end = Date.now() + patienceMs; Date.now() < end; await wait(50)) {
    if (!existsSync(file)) continue;
    const { latency } = JSON.parse(readFileSync(file, "utf8")) as LiveRecord;
    if ((latency?.histogram.counts.length ?? 0) > 0) return;
  }
  assert.fail("no prediction within two minutes");
}

test("killed and started again, a live run ends where it was to end, and balances", async () => {
  const first = start(...live);
  await untilPredicting();
  first.child.kill("SIGKILL");
  await first.ended;
  const until = (JSON.parse(readFileSync(join(data, "live.json"), "utf8")) as LiveRecord).until;
  const { code, text } = await start(...live).ended;
  assert.equal(code, 0, text);
  const record = JSON.parse(readFileSync(join(data, "live.json"), "utf8")) as LiveRecord;
  assert.deepEqual([record.ended, record.until], [true, until]);
  const summary = JSON.parse(readFileSync(summaryFile, "utf8")) as Summary & { live: LiveFacts };
  const { latencyMs, decisions, load, maxWaitMs } = summary.live;
  assert.equal(summary.balanced, true);
  assert.equal(maxWaitMs, 2_000);
  assert.equal(latencyMs.count, summary.predictions.total, "each prediction was measured once");
  assert.ok(latencyMs.p50 !== null && latencyMs.p99 !== null && latencyMs.p50 <= latencyMs.p99);
  assert.ok((decisions["idle"] ?? 0) > 0);
  assert.ok(load !== null, "the second start has sent what was left of the time");
  assert.ok(summary.outcomes.labelled > 0 && summary.outcomes.unknown === 0);
});

test("read again with its decisions it is equal; without them it is not", async () => {
  const stack = await openEmbeddedStack({ directory: data });
  try {
    const { broker, registry, offline } = storesOf(stack, plan.name);
    const { problems } = await verifyRun({ plan, broker, registry, offline });
    assert.deepEqual(problems, [], "every departure has one prediction, every row is there once");
    const run = { plan, stack, ended: true, directory: data };
    const { topics } = await rereadRun({ ...run, live: true });
    assert.deepEqual(
      topics.flatMap(({ differences }) => differences),
      [],
    );
    const compared = new Map(topics.map(({ topic, records }) => [topic, records]));
    assert.ok((compared.get("flights.predictions") ?? 0) > 300);
    assert.ok((compared.get("flights.outcomes") ?? 0) > 100);
    const undecided = await rereadRun({ ...run, live: false });
    const differences = undecided.topics.flatMap((topic) => topic.differences);
    assert.ok(
      differences.some((text) => /flights\.predictions\/\d: record \d+/.test(text)),
      "the comparison notices what the decisions decide",
    );
  } finally {
    await stack.close();
  }
});

test("a directory of a live run is not replayed into, and flags of a replay are refused", async () => {
  const replay = await ask("run", "--to", "2001-01-02");
  assert.equal(replay.code, 2, replay.err);
  assert.match(replay.err, /DATA_MODE_CHANGED.*was begun live, not to replay/);
  const mixed = await ask("run", "--live", "--from", "2001-01-01", "--inject", "late:1%");
  assert.equal(mixed.code, 2, mixed.err);
  assert.match(mixed.err, /--from: goes with a replay, not with --live/);
  assert.match(mixed.err, /--inject: goes with a replay, not with --live/);
  const unlive = await ask("run", "--rate", "5", "--max-wait", "1s");
  assert.equal(unlive.code, 2, unlive.err);
  assert.match(unlive.err, /--rate: goes with --live/);
});
