/** The same flights on real servers and on the embedded stack: every row must be the same. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@clickhouse/client";
import { digests } from "../../loadtest/digests.ts";
import { freePorts } from "../../runtime/stack/free-ports.ts";
import type { LocalServerStatus } from "../../runtime/stack/local-servers.ts";
import { requirement } from "../../testing/requirements.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-local-"));
const main = fileURLToPath(new URL("../main.js", import.meta.url));
const local = join(folder, "local");
const embedded = join(folder, "embedded");
const range = ["--from", "2001-01-02T12:00", "--to", "2001-01-02T16:00"];
const ports = await freePorts(4);
const portFlags = ["--kafka-port", "--registry-port", "--redis-port", "--clickhouse-port"].flatMap(
  (flag, index) => [flag, String(ports[index])],
);
const skip = requirement("java-21", "maven", "redis-server");

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
    execFile(process.execPath, [main, ...args], { cwd: folder, env }, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code), out, err });
    });
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
  const args = ["--stack", "local", "--data", local, ...portFlags, ...range, "--json", summary];
  const { code, out, err } = await millrace("run", ...args);
  assert.equal(code, 0, `${out}${err}`);
  assert.match(out, /on the local stack.*Balanced/s);
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
  // Every digest in one statement: a start of the embedded stack takes its time.
  const all = Object.entries(digests).map(
    ([name, sql]) => `SELECT '${name}' AS what, * FROM (${sql}) AS digest`,
  );
  const query = `SELECT * FROM (${all.join(" UNION ALL ")}) ORDER BY what`;
  const answers = await Promise.all([
    millrace("sql", "--format", "TSV", "--stack", "local", "--data", local, query),
    millrace("sql", "--format", "TSV", "--data", embedded, query),
  ]);
  assert.match(answers[0].out, /predictions\t[1-9]\d{2,}\t\d+/, answers[0].err);
  assert.equal(answers[0].out, answers[1].out);
});

test("a data directory is opened on the stack it was begun with alone", { skip }, async () => {
  const { code, err } = await millrace("sql", "--data", local, "SELECT 1");
  assert.deepEqual([code, err.includes("DATA_STACK_CHANGED")], [1, true]);
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
  const client = createClient({ url: `http://127.0.0.1:${ports[3]}`, database: "millrace" });
  const result = await client.query({
    query: "SELECT toUInt32(count()) AS n FROM predictions",
    format: "JSONEachRow",
  });
  const [row] = (await result.json()) as { n: number }[];
  assert.ok((row?.n ?? 0) > 100);
  await client.close();
});

test("down stops all four, and says so only once", { skip }, async () => {
  const { out } = await millrace("stack", "down", "--data", local);
  assert.equal(out.match(/stopped \(pid \d+\)/g)?.length, 4);
  const { code } = await millrace("stack", "status", "--data", local);
  assert.equal(code, 1);
  assert.match((await millrace("stack", "down", "--data", local)).out, /No server .* is up/);
});
