/**
 * What can be looked at while a run works and afterwards, on a run whose tables all have rows; then
 * each of these rows goes missing.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@clickhouse/client";
import { verifyRun } from "../../audit/verify-run.ts";
import { RecordBatchBuilder } from "../../broker/record-batch/builder.ts";
import { soonTrained as plan } from "../../examples/flights/soon-trained-fixture.ts";
import { type Stack, storesOf } from "../../runtime/hosting/stack.ts";
import { offlineTables } from "../../runtime/offline/tables.ts";
import { AvroEncoder } from "../../runtime/schema-registry/avro-codec.ts";
import { ByteWriter } from "../../schemas/bytes.ts";
import { partitionOf } from "../../schemas/murmur2.ts";
import type { DeadLetterLine, FeatureAnswer, ModelLine } from "../../serving/inspector.ts";
import { departure } from "../../topologies/flights/generated.ts";
import { askMillrace, killStarted, startMillrace, until, withStack } from "../millrace-fixture.ts";
import { socketPath } from "./socket-path.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-looks-"));
const data = join(folder, "data");
after(() => {
  killStarted();
  rmSync(folder, { recursive: true, force: true });
});

const app = fileURLToPath(
  new URL("../../examples/flights/soon-trained-fixture.js", import.meta.url),
);
const runTo = (to: string) => {
  return ["run", app, "--from", "2001-01-02T12:00", "--to", to, "--data", data];
};
const [first, last] = ["2001-01-02T20:00", "2001-01-02T21:00"];

async function look(...args: string[]): Promise<string> {
  const { code, out, err } = await askMillrace(...args, "--data", data);
  assert.deepEqual([code, err], [0, ""], args.join(" "));
  return out;
}

async function lookJson<T>(...args: string[]): Promise<T> {
  return JSON.parse(await look(...args, "--json")) as T;
}

/** One departure that cannot be read, and one that comes hours late. */
async function feed({ broker, registry }: Stack): Promise<void> {
  const id = await registry.register("flights.departures-value", departure);
  const writer = new ByteWriter();
  new AvroEncoder(departure, id).encode(
    {
      ...{ flightId: 9_000_002, departedAt: Date.parse("2001-01-02T12:10Z") },
      ...{ origin: "ORD", destination: "JFK", localHour: 6, localWeekday: 2, distanceMiles: 740 },
    },
    writer,
  );
  const producer = await broker.producer({ transactionalId: null });
  for (const [key, value] of [
    ["9000001", Buffer.from([0, 0, 0, 0, 1, 0xff])],
    ["9000002", writer.take()],
  ] as const) {
    const builder = new RecordBatchBuilder();
    builder.append(Buffer.from(key), value, 0);
    const partition = partitionOf(key, plan.partitions);
    await producer.send([{ topic: "flights.departures", partition, batch: builder.build() }]);
  }
  await producer.close();
}

/** Looks whose answers do not change while the run goes on. */
const settled = [
  ["features", "get", "origin_delays", "ORD", "--at", "2001-01-02T16:00", "--json"],
  ["features", "get", "route_delays", "ORD", "LGA", "--at", "2001-01-02T18:00", "--json"],
  ["models"],
  ["models", "--json"],
  ["dead-letters", "list"],
  ["describe"],
  [
    "sql",
    "SELECT count(), round(sum(probability), 6) FROM predictions WHERE known_at < '2001-01-02 19:00:00'",
  ],
  ["sql", "SELECT count(), max(as_of) FROM origin_delays WHERE as_of < '2001-01-02 19:00:00'"],
  ["describe", "--grown"],
] as const;

/** What was seen while the second run worked. */
const during: { settled?: string[]; now?: FeatureAnswer } = {};

test("a run ends with a model, and is given a bad and a late record", async () => {
  const { code, out, err } = await askMillrace(...runTo(first));
  assert.equal(code, 0, `${out}${err}`);
  await withStack(data, feed);
});

test("a format that a statement names itself comes as it is, as that of --format does", async () => {
  const select = "SELECT 1, 'a', char(27)";
  const tabs = "1\ta\t\u001b\n";
  const forms = [[`${select} FORMAT TSV`], [`${select} format TSV -- newest`]];
  for (const args of [...forms, [select, "--format", "TSV"]]) {
    const { code, out, err } = await askMillrace("sql", ...args, "--data", data);
    assert.deepEqual([code, out], [0, tabs], err);
  }
  const { out } = await askMillrace("sql", select, "--data", data);
  assert.match(out, /\\u001b/);
});

test("while a run works, every look answers over its socket, ClickHouse and /metrics as well", async () => {
  // Arrivals stand almost still, so that the run goes on until it is stopped.
  const going = startMillrace(...runTo(last), "--slow", "flights.arrivals=1000000", "--http", "0");
  const address = (name: string) =>
    until(name, () => new RegExp(`^${name} +(http\\S+)`, "m").exec(going.out())?.[1] ?? null);
  const [metrics, clickHouse] = [await address("metrics"), await address("ClickHouse")];
  assert.ok(existsSync(socketPath(data)));
  const letters = await until("the dead letter", async () => {
    const lines = await lookJson<DeadLetterLine[]>("dead-letters", "list");
    return lines.length === 0 ? null : lines;
  });
  assert.deepEqual(
    letters.map(({ source, code, valueBytes }) => [source, code, valueBytes]),
    [["flights.departures", "MALFORMED_AVRO", 6]],
  );
  during.now = await lookJson<FeatureAnswer>("features", "get", "origin_delays", "ORD");
  assert.ok(Number(during.now.at) >= Date.parse(`${first}Z`), JSON.stringify(during.now));
  assert.ok(during.now.features.some(({ value }) => Number(value) > 0));
  during.settled = await Promise.all(settled.map((args) => look(...args)));
  const [atEight, route, , models, listed, described] = during.settled as string[];
  const past = JSON.parse(atEight ?? "") as FeatureAnswer;
  assert.deepEqual([past.freshness, past.source], ["FRESH", "offline"]);
  assert.match(route ?? "", /"view": "route_delays@1"/);
  const [model] = JSON.parse(models ?? "") as ModelLine[];
  assert.deepEqual([model?.version, model?.promoted, model?.sha256.length], ["v1", true, 64]);
  assert.match(listed ?? "", /^flights\.departures .*MALFORMED_AVRO/m);
  assert.match(described ?? "", /^topology flights\n/);
  assert.equal(during.settled.at(-1)?.trimEnd(), `${described?.trimEnd()}\n\nno column was added`);
  const refused = await askMillrace("sql", "TRUNCATE TABLE raw_outcomes", "--data", data);
  assert.deepEqual([refused.code, refused.err.includes("OFFLINE_READ_ONLY")], [2, true]);
  await checkMetrics(metrics);
  const [, passwordFile = ""] = /password in ([^)]+)\)/.exec(going.out()) ?? [];
  await checkClickHouse(clickHouse, passwordFile);
  assert.equal(going.child.exitCode, null, "the run still goes on");
  going.child.kill("SIGINT");
  assert.equal((await going.ended).code, 130);
});

async function checkMetrics(address: string): Promise<void> {
  const text = await (await fetch(address)).text();
  const value = (series: string) => {
    const line = text.split("\n").find((each) => each.startsWith(`${series} `));
    assert.ok(line !== undefined, series);
    return Number(line.slice(series.length + 1));
  };
  const progress = `millrace_progress_seconds{subtopology="flights.departures",partition="0"}`;
  assert.ok(value(progress) >= Date.parse(`${first}Z`) / 1000);
  assert.equal(value('millrace_sink_lag{topic="flights.dead-letters",sink="offline"}'), 0);
  for (const series of ["commits_total", "committed_records_total", "commit_seconds_count"]) {
    assert.ok(value(`millrace_${series}`) > 0, series);
  }
  assert.ok(value("millrace_scored_rows_total") >= 0);
  assert.ok(value('millrace_scoring_seconds_bucket{le="+Inf"}') >= 0);
  const branch = 'source="flights.departures",partition="0",branch="predictions"';
  assert.ok(value(`millrace_source_records{${branch},became="processed"}`) > 1_000);
}

async function checkClickHouse(address: string, file: string): Promise<void> {
  const password = readFileSync(file, "utf8").trim();
  const query = encodeURIComponent("SELECT count() > 5000 FROM flights.predictions");
  assert.ok(!(await fetch(`${address}/?query=${query}`)).ok, "nobody asks without the password");
  const headers = { "X-ClickHouse-User": "default", "X-ClickHouse-Key": password };
  assert.equal(await (await fetch(`${address}/?query=${query}`, { headers })).text(), "1\n");
  const client = createClient({ url: address, database: "flights", password });
  assert.equal((await client.ping()).success, true);
  const result = await client.query({
    query: "SELECT version, promoted FROM models WHERE trained_on > {least: UInt32}",
    query_params: { least: 1_000 },
    format: "JSONEachRow",
  });
  assert.deepEqual(await result.json(), [{ version: "v1", promoted: 1 }]);
  await client.close();
}

test("after a run, the same looks open its directory and answer the same", async () => {
  assert.ok(during.settled !== undefined && during.now !== undefined);
  // One at a time: whoever opens the directory holds it.
  for (const [index, args] of settled.entries()) {
    assert.equal(await look(...args), during.settled[index], args.join(" "));
  }
  const { view, key, at, asOf, validUntil, features } = during.now;
  const time = new Date(Number(at)).toISOString();
  const again = await lookJson<FeatureAnswer>("features", "get", view, key, "--at", time);
  assert.deepEqual(
    [again.at, again.asOf, again.validUntil, again.features],
    [at, asOf, validUntil, features],
  );
  const refused = await askMillrace("sql", "TRUNCATE TABLE raw_outcomes", "--data", data);
  assert.deepEqual([refused.code, refused.err.includes("OFFLINE_READ_ONLY")], [2, true]);
});

test("verify fails when one row is missing from any table, and names it", async () => {
  const { code, out, err } = await askMillrace(...runTo(last));
  assert.equal(code, 0, `${out}${err}`);
  await withStack(data, async (stack) => {
    const { broker, registry, offline } = storesOf(stack, plan.name);
    const problems = async () =>
      [...(await verifyRun({ plan, broker, registry, offline })).problems].sort();
    const change = (sql: string) => offline.queryText(sql, "TSV");
    // A replay serves nobody: that table is empty.
    const all = offlineTables(plan).map(({ name }) => name);
    const tables = all.filter((name) => name !== "raw_predictions_served");
    assert.deepEqual([all.length, tables.length], [11, 10]);
    assert.deepEqual(await problems(), []);
    const missing: string[] = [];
    for (const table of tables) {
      const [row] = await offline.query<{ topic: string; partition: number; offset: number }>(
        `SELECT topic, partition, offset FROM ${table} ORDER BY offset DESC, partition LIMIT 1`,
      );
      assert.ok(row !== undefined, `${table} is empty`);
      const { topic, partition, offset } = row;
      const isRow = `WHERE partition = ${partition} AND offset = ${offset}`;
      await change(`CREATE TABLE kept_${table} ENGINE = Memory AS SELECT * FROM ${table} ${isRow}`);
      await change(`ALTER TABLE ${table} DELETE ${isRow} SETTINGS mutations_sync = 2`);
      missing.push(
        `${table}, partition ${partition} of ${topic}: 1 rows are missing, offsets (${offset})`,
      );
    }
    assert.deepEqual(await problems(), [...missing].sort());
    for (const table of tables) {
      await change(`INSERT INTO ${table} SELECT * FROM kept_${table}`);
      await change(`DROP TABLE kept_${table}`);
    }
    assert.deepEqual(await problems(), []);
  });
});
