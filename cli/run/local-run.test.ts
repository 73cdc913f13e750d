/** The same flights on real servers and on the embedded stack: every row must be the same. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "@clickhouse/client";
import { allDigests } from "../../loadtest/digests.ts";
import { RunProcess } from "../../loadtest/run-process.ts";
import { packageRoot } from "../../schemas/package-root.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import type { LocalServerStatus } from "../../stacks/local/local-servers.ts";
import { ofFlights } from "../../testing/flights-app-fixture.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { flights } from "../../topologies/flights/flights.ts";
import type { Summary } from "../summary/summary.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-local-"));
const main = fileURLToPath(new URL("../main.js", import.meta.url));
const local = join(folder, "local");
const embedded = join(folder, "embedded");
const range = ["--from", "2001-01-02T12:00", "--to", "2001-01-02T16:00"];
const ports = await freePorts(4);
const portFlags = flagsOf(ports);
const skip = requirement("java-21", "maven", "redis-server");

function flagsOf(of: readonly number[]): string[] {
  const names = ["--kafka-port", "--registry-port", "--redis-port", "--clickhouse-port"];
  return names.flatMap((name, index) => [name, String(of[index])]);
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function millrace(...args: string[]): Promise<Outcome> {
  return millraceWith(process.env, ...args);
}

function millraceWith(env: NodeJS.ProcessEnv, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...ofFlights(args)],
      { cwd: folder, env },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      },
    );
  });
}

async function status(): Promise<LocalServerStatus[]> {
  const { out } = await millrace("stack", "status", "--data", local, "--json");
  return JSON.parse(out) as LocalServerStatus[];
}

after(async () => {
  if (existsSync(local)) await millrace("stack", "down", "--data", local);
  rmSync(folder, { recursive: true, force: true });
});

test("all programs that are missing are named at once, each with what installs it", async () => {
  const bare = { PATH: folder, MILLRACE_CACHE: join(folder, "cache") };
  const data = join(folder, "bare");
  const { code, err } = await millraceWith(bare, "stack", "up", "--data", data, ...portFlags);
  assert.equal(code, 1);
  assert.match(err, /STACK_NOT_READY: .*3 to correct/);
  assert.match(err, /- redis-server was not found.*apt-get install redis-server/);
  assert.equal(err.match(/apt-get install (openjdk-\d\d-jre-headless|maven)/g)?.length, 2);
});

test("a port that is taken is named with who wants it and the flag, and nothing is started", {
  skip,
}, async () => {
  const [busy = 0] = await freePorts(1);
  const server = createServer();
  await new Promise<void>((done) => server.listen(busy, "127.0.0.1", done));
  try {
    const flags = [...portFlags, "--redis-port", String(busy)];
    const { code, err } = await millrace("stack", "up", "--data", local, ...flags);
    assert.equal(code, 1);
    assert.match(err, new RegExp(`STACK_PORT_BUSY: Port ${busy}.*Redis.*--redis-port`));
    assert.ok((await status()).every(({ up, pid }) => !up && pid === null));
  } finally {
    server.close();
  }
});

test("a run on the local stack starts it, balances, and leaves it up", { skip }, async () => {
  const summary = join(folder, "summary.json");
  const args = ["--stack", "local", "--data", local, ...portFlags, ...range, "--summary", summary];
  const { code, out, err } = await millrace("run", ...args);
  assert.equal(code, 0, `${out}${err}`);
  assert.match(out, /on the local stack.*Balanced/s);
  const told = `Kafka ${ports[0]}, Apicurio ${ports[1]}, Redis ${ports[2]}, `;
  assert.ok(out.includes(`\nservers     ${told}`), out);
  assert.ok(out.includes(` of ${local}; they stay up: millrace stack down --data ${local}\n`), out);
  assert.equal((JSON.parse(readFileSync(summary, "utf8")) as { balanced: boolean }).balanced, true);
  const servers = await status();
  assert.deepEqual(
    servers.map(({ name, up, port }) => [name, up, port]),
    ["kafka", "registry", "redis", "clickhouse"].map((name, index) => [name, true, ports[index]]),
  );
});

test("its rows are those of the embedded stack", { skip }, async () => {
  const { code, err } = await millrace("run", "--data", embedded, ...range);
  assert.equal(code, 0, err);
  await expectEqualDigests();
});

/** The two stacks hold the same rows. */
async function expectEqualDigests(): Promise<void> {
  const answers = await Promise.all([
    millrace("sql", "--format", "TSV", "--stack", "local", "--data", local, allDigests(flights)),
    millrace("sql", "--format", "TSV", "--data", embedded, allDigests(flights)),
  ]);
  assert.match(answers[0].out, /predictions\t[1-9]\d{2,}\t\d+/, answers[0].err);
  assert.equal(answers[0].out, answers[1].out);
}

/** What the metrics of a run say of a series, all labels added up. */
async function scrape(address: string, series: string): Promise<number> {
  const text = await (await fetch(address)).text();
  const values = text.matchAll(new RegExp(`^${series}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...values].reduce((sum, [, value]) => sum + Number(value), 0);
}

test("three workers go on where one stood; two are killed on the way, and the rows are the same", {
  skip,
  timeout: 300_000,
}, async () => {
  const on = ["--from", "2001-01-02T12:00", "--to", "2001-01-02T19:00"];
  const summary = join(folder, "three.json");
  const slow = ["--slow", "flights.arrivals=10", "--commit-interval-ms", "20"];
  const run = new RunProcess([
    "--stack",
    "local",
    "--data",
    local,
    ...on,
    "--workers",
    "3",
    ...slow,
    "--summary",
    summary,
    "--listen",
    "0",
  ]);
  const [, address = ""] = await run.saw(/metrics +(\S+)/);
  const [, gateway = ""] = await run.saw(/gateway +(http:\S+)/);
  for (const id of ["1", "2"]) {
    const before = await scrape(address, "millrace_commits_total");
    await run.until("some commits", async () =>
      (await scrape(address, "millrace_commits_total")) < before + 4 ? null : true,
    );
    const victim = run.workers.get(id) ?? 0;
    process.kill(victim, "SIGKILL");
    await run.saw(new RegExp(`Worker ${id} was killed by SIGKILL; it is started again`));
    await run.until("its successor", async () => (run.workers.get(id) === victim ? null : true));
    assert.equal((await fetch(`${gateway}/v1/views`)).status, 200);
  }
  assert.equal(await run.ended, 0, run.output);
  const { balanced, memory } = JSON.parse(readFileSync(summary, "utf8")) as Summary;
  assert.equal(balanced, true);
  assert.deepEqual(Object.keys(memory.workerMaxRssBytes), ["0", "1", "2"]);
  const { code, err } = await millrace("run", "--data", embedded, ...on);
  assert.equal(code, 0, err);
  await expectEqualDigests();
});

test("a data directory is opened on the stack it was begun with alone", { skip }, async () => {
  const { code, err } = await millrace("sql", "--data", local, "SELECT 1");
  assert.deepEqual([code, err.includes("DATA_STACK_CHANGED")], [2, true]);
});

test("servers that were killed are started again with their data; all is there", {
  skip,
}, async () => {
  const before = await status();
  for (const { pid } of before) process.kill(pid ?? 0, "SIGKILL");
  const { code, out, err } = await millrace("verify", "--stack", "local", "--data", local);
  assert.equal(code, 0, `${out}${err}`);
  assert.match(out, /Everything is there, once/);
  const now = await millrace(
    ...["features", "get", "origin_delays", "ORD", "--json"],
    ...["--stack", "local", "--data", local],
  );
  const { freshness, source } = JSON.parse(now.out) as { freshness: string; source: string };
  assert.deepEqual([freshness, source], ["FRESH", "online"]);
  const restarted = await status();
  assert.ok(restarted.every(({ answers, pid }, index) => answers && pid !== before[index]?.pid));
});

test("ClickHouse's own client reads the predictions", { skip }, async () => {
  const password = readFileSync(join(local, "clickhouse", "spool", "password"), "utf8").trim();
  const url = `http://127.0.0.1:${ports[3]}`;
  const client = createClient({ url, password, database: "flights" });
  const result = await client.query({
    query: "SELECT toUInt32(count()) AS n FROM predictions",
    format: "JSONEachRow",
  });
  const [row] = (await result.json()) as { n: number }[];
  assert.ok((row?.n ?? 0) > 100);
  await client.close();
});

test("Ctrl-C ends all workers with 130; a topic to slow that is no source is refused", {
  skip,
  timeout: 300_000,
}, async () => {
  const args = ["--stack", "local", "--data", local, "--from", "2001-01-02T12:00"];
  const run = new RunProcess([...args, "--to", "2001-01-04", "--workers", "2"]);
  await run.saw(/"worker":"1".*tasks restored/);
  run.signal("SIGINT");
  assert.equal(await run.ended, 130, run.output);
  for (const pid of run.workers.values()) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  const refused = await millrace("run", "--data", embedded, "--slow", "flights.x=2");
  assert.equal(refused.code, 2);
  assert.match(refused.err, /flights\.x is no source topic; there are flights\./);
});

for (const workers of ["1", "2"]) {
  test(`Ctrl-C while Kafka is away ends a run of ${workers} in seconds with 130, and names Kafka`, {
    skip,
    timeout: 300_000,
  }, async () => {
    const args = ["--stack", "local", "--data", local, "--from", "2001-01-02T12:00"];
    // Arrivals stand almost still, so that the run goes on until it is stopped.
    const slow = ["--slow", "flights.arrivals=1000000"];
    const run = new RunProcess([...args, "--to", "2001-01-04", "--workers", workers, ...slow]);
    await run.saw(/tasks restored/);
    const kafka = (await status()).find(({ name }) => /kafka/i.test(name));
    process.kill(kafka?.pid ?? 0, "SIGKILL");
    await run.saw(/Waiting for Kafka/);
    const began = performance.now();
    run.signal("SIGINT");
    assert.equal(await run.ended, 130, run.output);
    assert.ok(performance.now() - began < 30_000, `${performance.now() - began} ms`);
    assert.match(run.output, /Gave up waiting for .*Kafka/);
    // They end with the process that started them, when they see that it has.
    for (const pid of run.workers.values()) while (isAlive(pid)) await sleep(20);
    const { code, err } = await millrace("stack", "up", "--data", local);
    assert.equal(code, 0, err);
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A module of TypeScript that nothing has compiled, with a syntax that Node does not strip. */
const orders = `import {
  agg, application, eventFeeder, from, offline, online, recordSchema, topology,
} from "millrace";

enum Shop { First = "s0", Second = "s1" }
const order = recordSchema<{ orderId: string; at: number; shop: string }>({
  type: "record",
  name: "Order",
  fields: [
    { name: "orderId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "shop", type: "string" },
  ],
});
const shop = from("orders", order)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("orderId")
  .keyedBy("shop")
  .over("1h")
  .compute({ orders: agg.count() })
  .asFeatureView("shop@1", { ttl: "2d" })
  .into(online, offline);
const events = Array.from({ length: 500 }, (_, n) => {
  const at = Date.UTC(2026, 0, 1) + n * 1_000;
  const value = { orderId: String(n), at, shop: n % 2 === 0 ? Shop.First : Shop.Second };
  return { topic: "orders", at, value };
});
export default application({
  topologies: topology("shops", { shop }),
  feeder: eventFeeder({ events }),
});
`;

test("workers load an application's module of TypeScript for themselves", {
  skip,
  timeout: 300_000,
}, async () => {
  const app = join(folder, "app.ts");
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(packageRoot(), join(folder, "node_modules", "millrace"));
  writeFileSync(app, orders);
  const stack = [
    "--stack",
    "local",
    "--data",
    join(folder, "shops"),
    ...flagsOf(await freePorts(4)),
  ];
  try {
    const { code, out, err } = await millrace("run", app, ...stack, "--workers", "2");
    assert.equal(code, 0, `${out}${err}`);
    assert.match(out, /workers \d+, \d+ MB[\s\S]*Balanced/);
    const look = await millrace("features", "get", "shop", "s1", ...stack);
    assert.match(look.out, /orders_1h +250/, look.err);
  } finally {
    await millrace("stack", "down", "--data", join(folder, "shops"));
  }
});

test("down stops all four, and says so only once", { skip }, async () => {
  const { out } = await millrace("stack", "down", "--data", local);
  assert.equal(out.match(/stopped \(pid \d+\)/g)?.length, 4);
  const { code } = await millrace("stack", "status", "--data", local);
  assert.equal(code, 1);
  assert.match((await millrace("stack", "down", "--data", local)).out, /No server .* is up/);
});
