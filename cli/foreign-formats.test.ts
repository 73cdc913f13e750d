/** Producers of others, one a format, run as their README says against a live run. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { querySql, RunProcess } from "../loadtest/run-process.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import {
  foreignProgramMs,
  pythonEnvironment,
  requirement,
} from "../testing/requirements-fixture.ts";

const skip = requirement("java-21", "maven", "redis-server", "python-clients", "kcat");
const data = mkdtempSync(join(tmpdir(), "millrace-formats-"));
const main = fileURLToPath(new URL("./main.js", import.meta.url));
const app = fileURLToPath(new URL("../examples/producers/app.js", import.meta.url));
const examples = join(packageRoot(), "examples", "producers");
const [kafka = 0, registry = 0, redis = 0, clickhouse = 0] = await freePorts(4);
const brokers = `127.0.0.1:${kafka}`;
const registryUrl = `http://127.0.0.1:${registry}/apis/ccompat/v7`;
const stack = ["--live", "--stack", "local", "--data", data];
let run: RunProcess | null = null;

after(async () => {
  run?.signal("SIGKILL");
  if (existsSync(join(data, "kafka")))
    await execute(process.execPath, [main, "stack", "down", "--data", data]);
  rmSync(data, { recursive: true, force: true });
});

const execute = (program: string, args: readonly string[]) =>
  promisify(execFile)(program, args, { timeout: foreignProgramMs });

/** Waits until the query answers so; fails after two minutes. */
async function answers(sql: string, expected: string): Promise<void> {
  const until = Date.now() + 120_000;
  for (;;) {
    const found = await querySql([app, ...stack], sql).catch((error: Error) => error.message);
    if (found === expected) return;
    assert.ok(Date.now() < until, `${sql}\n${found}\ninstead of\n${expected}`);
    await wait(250);
  }
}

test("the module of the application is what its contract says", async () => {
  const files = [join(examples, "order.proto")];
  const { stdout } = await execute(process.execPath, [main, "generate", ...files]);
  const body = (text: string) => text.slice(text.indexOf("import"));
  assert.equal(body(readFileSync(join(examples, "generated.ts"), "utf8")), body(stdout));
});

test("kcat, kafkajs and Python send JSON, Protobuf and Avro: features of all, and a reason for each bad record", {
  skip,
  timeout: 400_000,
}, async () => {
  run = new RunProcess(
    [
      ...[...stack, "--create-sources"],
      ...["--kafka-port", String(kafka), "--registry-port", String(registry)],
      ...["--redis-port", String(redis), "--clickhouse-port", String(clickhouse)],
    ],
    app,
  );
  await run.saw(/tasks restored/);
  const python = join(pythonEnvironment, "bin", "python");
  await Promise.all([
    execute(join(examples, "send-kcat.sh"), [brokers]),
    execute(process.execPath, [join(examples, "send-kafkajs.mjs"), brokers]),
    execute(python, [
      join(examples, "send.py"),
      ...["--brokers", brokers, "--registry", registryUrl],
    ]),
  ]);
  for (const view of ["kcat", "kafkajs", "protobuf", "avro"]) {
    await answers(
      `SELECT customer, max(orders_24h), max(spent_24h) FROM ${view} GROUP BY customer ORDER BY 1`,
      "ann\t2\t20\nbob\t1\t1",
    );
  }
  await answers(
    "SELECT source, code, reason FROM dead_letters ORDER BY source",
    [
      "orders.avro\tMALFORMED_AVRO\tit ends before its value does",
      'orders.kafkajs\tMALFORMED_JSON\tfield "placedAt": "yesterday" is no date and time by ISO 8601',
      'orders.kcat\tMALFORMED_JSON\tfield "amount" is missing',
      'orders.protobuf\tMALFORMED_PROTOBUF\tfield "amount": it ends within a field',
    ].join("\n"),
  );
  run.signal("SIGINT");
  assert.equal(await run.ended, 130, run.output);
});
