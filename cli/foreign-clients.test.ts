/** The examples, run as their READMEs say against a live run on the local stack. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { RecordBatchBuilder } from "../broker/record-batch/builder.ts";
import { RecordReader } from "../broker/record-batch/reader.ts";
import { RunProcess } from "../loadtest/run-process.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import {
  foreignProgramMs,
  pythonEnvironment,
  requirement,
} from "../testing/requirements-fixture.ts";

const needed = ["java-21", "maven", "redis-server", "python-clients"] as const;
const skip = requirement(...needed);
const folder = mkdtempSync(join(tmpdir(), "millrace-foreign-"));
const data = join(folder, "data");
const main = fileURLToPath(new URL("./main.js", import.meta.url));
const examples = join(packageRoot(), "examples");
const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = await freePorts(4);
const brokers = `127.0.0.1:${kafka}`;
const registryUrl = `http://127.0.0.1:${registry}/apis/ccompat/v7`;
const servers = ["--brokers", brokers, "--registry", registryUrl];
const stack = ["--live", "--stack", "local", "--data", data];
const live = [
  ...stack,
  ...["--kafka-port", String(kafka), "--registry-port", String(registry)],
  ...["--redis-port", String(redis), "--clickhouse-port", String(clickhouse)],
];
const flights = 160;
const runs: RunProcess[] = [];
const sentFile = join(folder, "sent.ndjson");

/** Codes of the dead letters, by what the producer calls the bad records. */
const codes: Readonly<Record<string, string>> = {
  malformed: "MALFORMED_AVRO",
  unframed: "MALFORMED_AVRO",
  "unknown-schema": "UNKNOWN_SCHEMA",
  oversize: "RECORD_OVERSIZE",
  future: "EVENT_TIME_AHEAD",
  "future-timestamp": "EVENT_TIME_AHEAD",
  "no-value": "MALFORMED_AVRO",
  "no-time": "EVENT_TIME_MISSING",
  "null-key": "NULL_KEY",
  "wrong-key": "KEY_MISMATCH",
  "wrong-partition": "WRONG_PARTITION",
};

/** A line of the producer: a record that the broker has taken. */
interface Sent {
  readonly kind: string;
  readonly flightId: number;
  readonly delayMinutes: number | null;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly keyHex: string | null;
  readonly valueBytes: number | null;
  readonly valueSha256: string | null;
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** "" before the servers were started. */
function clickHousePassword(): string {
  const file = join(data, "clickhouse", "spool", "password");
  return existsSync(file) ? readFileSync(file, "utf8").trim() : "";
}

function execute(program: string, args: readonly string[]): Promise<Outcome> {
  const passwords = { CLICKHOUSE_PASSWORD: clickHousePassword() };
  const env = { ...process.env, ...passwords };
  const options = { cwd: folder, maxBuffer: 1 << 26, timeout: foreignProgramMs, env };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

function python(script: string, ...args: string[]): Promise<Outcome> {
  return execute(join(pythonEnvironment, "bin", "python"), [join(examples, script), ...args]);
}

function linesOf<Line>(text: string): Line[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line);
}

async function query<Row>(sql: string): Promise<Row[]> {
  const url = `http://127.0.0.1:${clickhouse}/?database=flights&default_format=JSONEachRow`;
  const answer = await fetch(`${url}&output_format_json_quote_64bit_integers=0`, {
    method: "POST",
    body: sql,
    headers: { "x-clickhouse-key": clickHousePassword() },
  });
  assert.ok(answer.ok, sql);
  return linesOf<Row>(await answer.text());
}

/** Waits until the query counts so many; fails after two minutes. */
async function stored(count: number, of: string): Promise<void> {
  const until = Date.now() + 120_000;
  for (;;) {
    const [row] = await query<{ n: number }>(`SELECT toUInt32(count()) AS n FROM ${of}`);
    if (row?.n === count) return;
    assert.ok(Date.now() < until, `${row?.n} instead of ${count} ${of}`);
    await wait(100);
  }
}

/** Waits until the metrics say so; fails after a minute. */
async function counted(metrics: string, pattern: RegExp): Promise<void> {
  const until = Date.now() + 60_000;
  for (;;) {
    const text = await (await fetch(metrics)).text();
    if (pattern.test(text)) return;
    assert.ok(Date.now() < until, `${pattern} is not in\n${text}`);
    await wait(100);
  }
}

/** Waits until the stores hold whatever stands in the topics; fails after a minute. */
async function nothingIsBehind(metrics: string): Promise<void> {
  const until = Date.now() + 60_000;
  for (;;) {
    const text = await (await fetch(metrics)).text();
    const lags = [...text.matchAll(/^millrace_sink_lag\{.*\} (\d+)$/gm)].map(([, lag]) => lag);
    if (lags.length > 0 && lags.every((lag) => lag === "0")) return;
    assert.ok(Date.now() < until, `sinks are behind in\n${text}`);
    await wait(100);
  }
}

function start(): RunProcess {
  const run = new RunProcess(live);
  runs.push(run);
  return run;
}

function sent(...kinds: readonly string[]): Sent[] {
  return linesOf<Sent>(readFileSync(sentFile, "utf8")).filter(({ kind }) => kinds.includes(kind));
}

function idsOf(records: readonly { readonly flightId: number }[]): number[] {
  return records.map(({ flightId }) => flightId).sort((a, b) => a - b);
}

after(async () => {
  for (const run of runs) run.signal("SIGKILL");
  if (existsSync(data)) await execute(process.execPath, [main, "stack", "down", "--data", data]);
  rmSync(folder, { recursive: true, force: true });
});

test("a Python producer's flights are predicted and labelled, also over a SIGKILL of the run", {
  skip,
  timeout: 400_000,
}, async () => {
  const first = start();
  await first.saw(/tasks restored/);
  // Node 20 cannot unpack zstd; the broker does.
  const packed = ["--compression", "zstd"];
  const load = ["--flights", String(flights), "--flight-time", "1.5", "--bad", "all", ...packed];
  const producing = python("python-producer/producer.py", ...servers, ...load);
  await stored(1, "(SELECT 1 FROM predictions LIMIT 1)");
  first.signal("SIGKILL");
  await first.ended;
  const second = start();
  const { code, out, err } = await producing;
  assert.equal(code, 0, err);
  writeFileSync(sentFile, out);
  await second.saw(/tasks restored/);
  await stored(flights, "outcomes WHERE labelled");
  await stored(Object.keys(codes).length, "dead_letters");
  await stored(1, "late_records");
  const [, metrics = ""] = await second.saw(/metrics +(\S+)/);
  await counted(metrics, /branch="predictions",became="filtered"\} 1$/m);
  // What is shown last need not be stored last: a stop writes no more than what is in hand.
  await nothingIsBehind(metrics);
  second.signal("SIGINT");
  assert.equal(await second.ended, 130, second.output);
  const outcomes = await query<{ flightId: number; late: number }>(
    "SELECT flight_id AS flightId, label AS late FROM outcomes ORDER BY flight_id",
  );
  const expected = sent("arrival").sort((a, b) => a.flightId - b.flightId);
  assert.equal(expected.length, flights);
  assert.deepEqual(
    outcomes,
    expected.map(({ flightId, delayMinutes }) => ({
      flightId,
      late: Number((delayMinutes ?? 0) > 15),
    })),
  );
});

test("a Python consumer at read_committed gets exactly one prediction a departure", {
  skip,
}, async () => {
  const { code, out, err } = await python("python-consumer/consumer.py", ...servers);
  assert.equal(code, 0, err);
  const predictions = linesOf<{ flightId: number; key: string; probability: number }>(out);
  assert.deepEqual(idsOf(predictions), idsOf(sent("departure")));
  for (const { flightId, key, probability } of predictions) {
    assert.equal(key, String(flightId));
    assert.ok(probability > 0 && probability < 1);
  }
});

test("and exactly one outcome an arrival, with its label", { skip }, async () => {
  const outcomes = ["--topic", "flights.outcomes"];
  const { code, out, err } = await python("python-consumer/consumer.py", ...servers, ...outcomes);
  assert.equal(code, 0, err);
  const labels = linesOf<{ flightId: number; label: boolean }>(out);
  const late = sent("arrival").filter(({ delayMinutes }) => (delayMinutes ?? 0) > 15);
  assert.deepEqual(idsOf(labels), idsOf(sent("arrival")));
  assert.deepEqual(idsOf(labels.filter(({ label }) => label)), idsOf(late));
});

test("what a transaction took back is shown at read_uncommitted alone, as a second prediction", {
  skip,
}, async () => {
  const flight = await abortedCopy();
  const committed = await python("python-consumer/consumer.py", ...servers);
  assert.equal(committed.code, 0, committed.err);
  const uncommitted = ["--isolation-level", "read_uncommitted"];
  const all = await python("python-consumer/consumer.py", ...servers, ...uncommitted);
  assert.equal(all.code, 1);
  assert.match(all.err, new RegExp(`more than once: .*${flight}`));
});

/** Writes a prediction again in a transaction that is aborted; its flight. */
async function abortedCopy(): Promise<string> {
  const broker = await openKafkaBroker({ brokers: [brokers], clientId: "foreign-clients" });
  try {
    const topic = "flights.predictions";
    const [partition = 0] = sent("departure").map((each) => each.partition);
    const place = { topic, partition, offset: 0, maxBytes: 1 << 20 };
    const limits = { isolation: "read_committed", maxWaitMs: 1_000, maxBytes: 1 << 20 } as const;
    const [fetched] = await broker.fetch({ partitions: [place], ...limits });
    assert.ok(fetched !== undefined);
    const reader = new RecordReader();
    reader.open(fetched, "read_committed");
    assert.ok(reader.next());
    const { buffer, keyStart, keyEnd, valueStart, valueEnd, timestampMs } = reader;
    const key = buffer.subarray(keyStart, keyEnd);
    const copy = new RecordBatchBuilder();
    copy.append(key, buffer.subarray(valueStart, valueEnd), timestampMs);
    const producer = await broker.producer({ transactionalId: "foreign-clients" });
    producer.begin();
    await producer.send([{ topic, partition, batch: copy.build() }]);
    await producer.abort();
    await producer.close();
    return key.toString("latin1");
  } finally {
    await broker.close();
  }
}

test("its bad records are dead letters with reason, key, header and bytes; the late one is late", {
  skip,
}, async () => {
  const bad = sent(...Object.keys(codes));
  assert.deepEqual(bad.map(({ kind }) => kind).sort(), Object.keys(codes).sort());
  const place = "source AS topic, source_partition AS partition, toInt32(source_offset) AS offset";
  const origin =
    `${place}, toUnixTimestamp64Milli(timestamp) AS timestamp, lower(hex(key)) AS keyHex, ` +
    "toInt32(length(value)) AS valueBytes, " +
    "if(isNull(value), NULL, lower(hex(SHA256(assumeNotNull(value))))) AS valueSha256";
  const letters = await query<Record<string, unknown>>(
    `SELECT ${origin}, code, base64Decode(JSONExtractString(headers, 1, 'value')) AS kind
    FROM dead_letters ORDER BY kind`,
  );
  const byKind = (a: Sent, b: Sent) => (a.kind < b.kind ? -1 : 1);
  const asSent = (record: Sent) => {
    const { topic, partition, offset, timestamp, keyHex, valueBytes, valueSha256, kind } = record;
    return { topic, partition, offset, timestamp, keyHex, valueBytes, valueSha256, kind };
  };
  const expected = bad.sort(byKind).map((each) => ({ ...asSent(each), code: codes[each.kind] }));
  assert.deepEqual(letters, expected);
  const late = await query(`SELECT ${origin}, 'late' AS kind FROM late_records`);
  assert.deepEqual(late, sent("late").map(asSent));
  const list = await execute(process.execPath, [main, "dead-letters", "list", "--json", ...stack]);
  const told = JSON.parse(list.out) as (Sent & { source: string; code: string; reason: string })[];
  for (const { topic, partition, offset, code, valueBytes } of expected) {
    const found = told.filter((each) => each.partition === partition && each.offset === offset);
    assert.equal(found.length, 1, list.err);
    assert.deepEqual(
      [found[0]?.source, found[0]?.code, found[0]?.valueBytes],
      [topic, code, valueBytes],
    );
    assert.match(found[0]?.reason ?? "", /\w+ \w+/);
  }
});

test("an analyst's clickhouse-connect finds what was sent, and the features that were served", {
  skip,
}, async () => {
  const json = join(folder, "answers.json");
  const where = ["--port", String(clickhouse), "--flights", sentFile, "--json", json];
  const { code, err } = await python("clickhouse-connect/analyst.py", ...where);
  assert.equal(code, 0, err);
  const answers = JSON.parse(readFileSync(json, "utf8")) as Record<
    string,
    readonly Readonly<Record<string, number | string | null>>[]
  >;
  const total = (name: string, column: string) =>
    answers[name]?.reduce((sum, row) => sum + Number(row[column]), 0);
  const late = sent("arrival").filter(({ delayMinutes }) => (delayMinutes ?? 0) > 15);
  const lateRows = answers["daily"]?.map(
    (row) => Number(row["flights"]) * Number(row["late_share"]),
  );
  assert.equal(Math.round(lateRows?.reduce((sum, rows) => sum + rows, 0) ?? 0), late.length);
  for (const each of ["daily", "calibration", "models"]) {
    assert.equal(total(each, "flights"), flights, each);
  }
  assert.equal(total("dead_letters", "records"), Object.keys(codes).length);
  assert.equal(answers["moments"]?.length, 15);
  const [pointInTime] = answers["point_in_time"] ?? [];
  assert.equal(pointInTime?.["flights"], flights);
  assert.ok(Number(pointInTime?.["with_inbound"]) > 20, JSON.stringify(pointInTime));
  assert.equal(
    Number(pointInTime?.["equal"]) + Number(pointInTime?.["incomplete"]),
    flights,
    JSON.stringify(pointInTime),
  );
});

test("kcat shows topics, keys, schema and one committed prediction a flight", {
  skip: requirement(...needed, "kcat"),
}, async () => {
  const look = await execute("sh", [join(examples, "kcat", "look.sh"), brokers, registryUrl]);
  assert.equal(look.code, 0, look.err);
  assert.equal(look.out.match(/topic "flights\.\w+" with 4 partitions/g)?.length, 4);
  assert.match(look.out, /"name\\":\\"flightId/);
  const five = look.out.matchAll(/^(\d) (\d) (\d+) (\d+) (\d+)$/gm);
  for (const [, partition, offset, key, timestamp, bytes] of five) {
    const record = sent("departure", ...Object.keys(codes), "late", "again").find(
      (each) => each.partition === Number(partition) && each.offset === Number(offset),
    );
    assert.equal(record?.keyHex, Buffer.from(key ?? "").toString("hex"));
    assert.deepEqual([record?.timestamp, record?.valueBytes], [Number(timestamp), Number(bytes)]);
  }
  assert.match(look.out, new RegExp(`\\n${flights} flights, 0 of them more than once`));
});

test("verify recounts what the foreign producer sent, and finds it whole", { skip }, async () => {
  const { code, out, err } = await execute(process.execPath, [main, "verify", ...stack]);
  assert.equal(code, 0, `${out}${err}`);
  assert.match(out, /Everything is there, once/);
});
