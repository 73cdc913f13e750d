/** The whole application on servers behind TLS and users, and what it says of wrong ones. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { Redis } from "ioredis";
import { openKafkaBroker } from "../broker/kafka/kafka-broker.ts";
import { clusterAccess } from "../runtime/config/server-access.ts";
import { resolveConfig } from "../runtime/config.ts";
import { MillraceError } from "../schemas/errors.ts";
import { checkServers } from "../stacks/check-servers.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { ofFlights } from "./flights-app-fixture.ts";
import { requirement } from "./requirements-fixture.ts";
import { makeCertificate } from "./secure-front-fixture.ts";
import { securedExamples } from "./secured-examples-fixture.ts";
import { type SecuredServers, startSecuredServers, users } from "./secured-servers-fixture.ts";

const skip = requirement("java-21", "maven", "redis-server", "openssl");
const folder = mkdtempSync(join(tmpdir(), "millrace-secured-"));
const main = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const data = join(folder, "data");
const range = ["--from", "2001-01-02T12:00", "--to", "2001-01-02T15:00"];
const wrong = "wrong-pass-4715";
const passwords = [...Object.values(users).map(({ password }) => password), wrong];
const secrets = [
  ...passwords,
  ...Object.values(users).flatMap(({ username, password }) => [
    Buffer.from(`${username}:${password}`).toString("base64"),
    Buffer.from(`${username}:${wrong}`).toString("base64"),
  ]),
];
let servers: SecuredServers;
/** Waits for servers that are not there; the other tests go on meanwhile. */
let down: { readonly ports: readonly number[]; readonly outcome: Promise<Outcome> };

before(async () => {
  down = await runWithoutServers();
  if (skip === false) servers = await startSecuredServers(join(folder, "servers"));
});

after(async () => {
  await servers?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Settings with every password: two from the environment, two from files. */
function secured(changes: Readonly<Record<string, string>> = {}): Record<string, string> {
  const file = (name: "registry" | "redis") => {
    const path = join(folder, `${name}-password`);
    writeFileSync(path, `${users[name].password}\n`, { mode: 0o600 });
    return path;
  };
  return {
    ...servers.settings,
    MILLRACE_KAFKA_PASSWORD: users.kafka.password,
    MILLRACE_REGISTRY_PASSWORD_FILE: file("registry"),
    MILLRACE_REDIS_PASSWORD_FILE: file("redis"),
    MILLRACE_CLICKHOUSE_PASSWORD: users.clickhouse.password,
    ...changes,
  };
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function millrace(settings: Readonly<Record<string, string>>, ...args: string[]): Promise<Outcome> {
  const { PATH, HOME, JAVA_HOME } = process.env;
  const env = { PATH, HOME, JAVA_HOME, ...settings };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...ofFlights(args)],
      { cwd: folder, env, timeout },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err });
      },
    );
  });
}

/** Longest a command may take, ms. */
const timeout = 300_000;

function assertSecretless(text: string, where: string): void {
  for (const secret of secrets) assert.ok(!text.includes(secret), `${where} holds a secret`);
}

async function runWithoutServers(): Promise<typeof down> {
  const ports = await freePorts(4);
  const names = ["--kafka-port", "--registry-port", "--redis-port", "--clickhouse-port"];
  const flags = names.flatMap((name, index) => [name, String(ports[index])]);
  const where = ["--stack", "compose", "--data", join(folder, "down")];
  return { ports, outcome: millrace({}, "run", ...where, ...flags) };
}

function hostOf(url = "") {
  const { hostname: host, port } = new URL(url);
  return { host, port: Number(port), disableClientInfo: true };
}

const cluster = ["--stack", "cluster", "--data", data];

test("a run over TLS, as users with the rights that are documented, is whole and tells no secret", {
  skip,
}, async () => {
  const [port = 0, door = 0] = await freePorts(2);
  const more = ["--log-level", "debug", "--metrics", String(port), "--listen", String(door)];
  const running = millrace(secured(), "run", ...cluster, ...range, ...more);
  await whileItRuns(running, port, door);
  const run = await running;
  assert.equal(run.code, 0, `${run.out}${run.err}`);
  assert.match(run.out, /Balanced: every record is accounted for/);
  assertSecretless(`${run.out}${run.err}`, "what a run prints");
  const verify = await millrace(secured(), "verify", ...cluster);
  assert.equal(verify.code, 0, `${verify.out}${verify.err}`);
  assert.match(verify.out, /Everything is there, once/);
  const get = ["features", "get", "origin_delays", "ORD", "--json"];
  const features = await millrace(secured(), ...get, ...cluster);
  assert.match(features.out, /"freshness": "FRESH"/, features.err);
  for (const entry of readdirSync(data, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    assertSecretless(readFileSync(path, "latin1"), path);
  }
});

/** What a run tells others: through its socket, its gateway, and to Prometheus. */
async function whileItRuns(running: Promise<Outcome>, port: number, door: number): Promise<void> {
  let ended = false;
  void running.finally(() => {
    ended = true;
  });
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  let metrics = "";
  while (!ended && metrics === "") {
    const ready = await get("/ready").catch(() => null);
    if (ready?.ok === true) metrics = await (await get("/metrics")).text();
    else await wait(50);
  }
  if (ended) return;
  assertSecretless(metrics, "/metrics");
  // Without any setting of its own: what it prints are the settings of the run.
  const config = await millrace({}, "config", "--data", data);
  assert.match(config.out, /clickhousePassword +\*{8} +MILLRACE_CLICKHOUSE_PASSWORD/);
  assertSecretless(config.out, "millrace config");
  await throughTheGateway(`http://127.0.0.1:${door}`);
}

/** A read from Redis, and a prediction, for which the gateway reads the model register in Kafka. */
async function throughTheGateway(url: string): Promise<void> {
  const read = await fetch(`${url}/v1/features/origin_delays/ORD`);
  const record = {
    ...{ flightId: 1, origin: "ORD", destination: "LAX" },
    distanceMiles: 1_745,
  };
  const predicted = await fetch(`${url}/v1/predict/predictions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      record: { ...record, departedAt: Date.UTC(2001, 0, 2, 14), localHour: 8, localWeekday: 2 },
      deadlineMs: 5_000,
    }),
  });
  const answers = await Promise.all([read, predicted].map((answer) => answer.text()));
  assert.deepEqual([read.status, predicted.status], [200, 200], answers.join("\n"));
  assert.match(answers[0] ?? "", /"status":"(FRESH|STALE|MISSING)"/);
  assert.match(answers[1] ?? "", /"probability":0\.\d+/);
  assertSecretless(answers.join(), "what the gateway answers");
}

test("without its certificate a client gets no further", { skip }, async () => {
  const names = ["KAFKA", "REGISTRY", "REDIS"].flatMap((server) => [
    `MILLRACE_${server}_CERT_FILE`,
    `MILLRACE_${server}_KEY_FILE`,
  ]);
  const rest = Object.entries(secured()).filter(([name]) => !names.includes(name));
  const { code, err } = await millrace(Object.fromEntries(rest), "run", ...cluster, ...range);
  assert.equal(code, 1);
  assert.match(err, /STACK_UNREACHABLE: .*3 to correct/);
  for (const server of ["Kafka", "Schema registry", "Redis"]) {
    assert.match(err, new RegExp(`- ${server}: \\w+_UNAVAILABLE: `));
  }
  assertSecretless(err, "the error");
});

test("those users may do nothing beside their own topics and keys", { skip }, async () => {
  const env = { ...secured(), MILLRACE_STACK: "cluster" };
  const access = clusterAccess(resolveConfig({ env, file: "none" }).config, []);
  const broker = await openKafkaBroker({ clientId: "rights", ...access.kafka });
  const foreign = { name: "payments", partitions: 1, config: {} };
  const refused = { code: "BROKER_AUTHORIZATION", message: /payments/ };
  await assert.rejects(broker.createTopics([foreign]), refused);
  const stranger = broker.producer({ transactionalId: "payments" });
  await assert.rejects(stranger, refused);
  await broker.close();
  const client = new Redis({ ...access.redis, ...hostOf(access.redis.urls[0]) });
  await assert.rejects(client.get("payments:1"), /NOPERM/);
  await assert.rejects(client.del("millrace:1"), /NOPERM/);
  await assert.rejects(client.flushall(), /NOPERM/);
  client.disconnect();
});

test("the same servers are a compose stack by their ports, and nothing is started or emptied", {
  skip,
}, async () => {
  const { kafka, registry, redis, clickhouse } = servers.plain;
  const compose = [
    ...["--stack", "compose", "--data", join(folder, "compose")],
    ...["--kafka-port", String(kafka), "--registry-port", String(registry)],
    ...["--redis-port", String(redis), "--clickhouse-port", String(clickhouse)],
  ];
  const run = await millrace({}, "run", ...compose, ...range);
  assert.equal(run.code, 0, `${run.out}${run.err}`);
  assert.match(run.out, /on the compose stack[\s\S]*Balanced/);
  const fresh = await millrace({}, "run", ...compose, ...range, "--fresh");
  assert.equal(fresh.code, 1);
  assert.match(fresh.err, /FRESH_REFUSED: .*docker compose down --volumes/);
  const points = await millrace({}, "verify", ...compose, "--points", "30");
  assert.match(points.out, /look-ups recomputed in SQL over the records: 0 differ/);
  assert.match(points.out, /30 look-ups recomputed in SQL over the raw file: 0 differ/);
});

test("wrong passwords are told all at once, each with its server and setting and without itself", {
  skip,
}, async () => {
  const { MILLRACE_REGISTRY_PASSWORD_FILE, MILLRACE_REDIS_PASSWORD_FILE, ...rest } = secured();
  const settings = {
    ...rest,
    MILLRACE_KAFKA_PASSWORD: wrong,
    MILLRACE_REGISTRY_PASSWORD: wrong,
    MILLRACE_REDIS_PASSWORD: wrong,
    MILLRACE_CLICKHOUSE_PASSWORD: wrong,
  };
  const { code, out, err } = await millrace(settings, "run", ...cluster, ...range);
  assert.equal(code, 1);
  assert.match(err, /STACK_UNREACHABLE: .*4 to correct/);
  const address = (name: string) => servers.settings[name]?.replace(/^\w+:\/\//, "") ?? "";
  for (const [server, variable, setting] of [
    ["Kafka: BROKER_LOGIN", "MILLRACE_KAFKA_BROKERS", "kafkaUser"],
    ["Schema registry: REGISTRY_LOGIN", "MILLRACE_REGISTRY_URL", "registryUser"],
    ["Redis: ONLINE_REFUSED", "MILLRACE_REDIS_URL", "redisUser"],
    ["ClickHouse: OFFLINE_REFUSED", "MILLRACE_CLICKHOUSE_URL", "clickhouseUser"],
  ] as const) {
    const line = err.split("\n").find((each) => each.includes(server)) ?? "";
    assert.ok(line.includes(address(variable)) && line.includes(setting), `${server}: ${err}`);
  }
  assertSecretless(`${out}${err}`, "the error");
});

for (const server of ["kafka", "registry", "redis", "clickhouse"] as const) {
  test(`an error of ${server} for a wrong password or certificate holds no secret inside`, {
    skip,
  }, async () => {
    const other = await makeCertificate(join(folder, "other"));
    const name = server.toUpperCase();
    const { [`MILLRACE_${name}_PASSWORD_FILE`]: _, ...rest } = secured();
    for (const changes of [
      { [`MILLRACE_${name}_PASSWORD`]: wrong },
      {
        [`MILLRACE_${name}_PASSWORD`]: users[server].password,
        [`MILLRACE_${name}_CA_FILE`]: other.certFile,
      },
    ]) {
      const env = { ...rest, ...changes, MILLRACE_STACK: "cluster" };
      const { config } = resolveConfig({ env, file: "none" });
      assertSecretless(inspect(config, { depth: 9, showHidden: true }), "the configuration");
      assertSecretless(JSON.stringify(config), "the configuration as JSON");
      const error: unknown = await checkServers("cluster", clusterAccess(config, [])).then(
        () => null,
        (reason) => reason,
      );
      assert.ok(error instanceof MillraceError && error.code === "STACK_UNREACHABLE");
      assert.match(error.message, Object.keys(changes).length > 1 ? /certificate/ : /1 to correct/);
      assertSecretless(inspect(error, { depth: 9, showHidden: true }), "the error");
    }
  });
}

// Last of those that use them: the producer sends flights.
securedExamples(skip, () => servers.settings);

test("a compose stack that is down is told with every server and the command that helps", async () => {
  const { code, err } = await down.outcome;
  assert.equal(code, 1);
  assert.match(err, /STACK_UNREACHABLE: .*compose.*4 to correct/);
  for (const port of down.ports) assert.match(err, new RegExp(`- .*127\\.0\\.0\\.1:${port}`));
  assert.match(err, /docker compose up -d --wait/);
});
