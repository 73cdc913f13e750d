import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { rootCertificates } from "node:tls";
import { inspect } from "node:util";
import { MillraceError } from "../../schemas/errors.ts";
import { resolveConfig } from "../config.ts";
import { clusterAccess, openSecretFiles, readablePasswords } from "./server-access.ts";
import { settingNames, settings } from "./settings.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-access-"));
after(() => rmSync(folder, { recursive: true }));

const addresses = {
  MILLRACE_STACK: "cluster",
  MILLRACE_KAFKA_BROKERS: "kafka-1:9092,kafka-2:9092",
  MILLRACE_REGISTRY_URL: "https://registry.example/apis/ccompat/v7",
  MILLRACE_REDIS_URL: "rediss://redis.example:6380",
  MILLRACE_CLICKHOUSE_URL: "https://clickhouse.example:8443",
};
const ca = file("ca.pem", rootCertificates[0] ?? "");
const key = file("key.pem", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function accessOf(env: Readonly<Record<string, string>>) {
  const problems: string[] = [];
  const { config } = resolveConfig({ env: { ...addresses, ...env }, file: "none" });
  return clusterAccess(config, problems);
}

/** What is wrong with these settings, as one text. */
function problemsOf(
  env: Readonly<Record<string, string>>,
  flags: Record<string, unknown> = {},
  path = "none",
): string {
  try {
    resolveConfig({ env, flags, file: path });
  } catch (error) {
    assert.ok(error instanceof MillraceError && error.code === "CONFIG_INVALID");
    return `${error.message}\n${inspect(error, { depth: 9, showHidden: true })}`;
  }
  return "";
}

test("addresses, users, passwords and certificates reach each of the four clients", () => {
  const access = accessOf({
    MILLRACE_KAFKA_TLS: "true",
    MILLRACE_KAFKA_CA_FILE: ca,
    MILLRACE_KAFKA_SASL: "scram-sha-512",
    MILLRACE_KAFKA_USER: "k",
    MILLRACE_KAFKA_PASSWORD: "k-secret",
    MILLRACE_REGISTRY_USER: "s",
    MILLRACE_REGISTRY_PASSWORD_FILE: file("s-password", "s-secret\n"),
    MILLRACE_REGISTRY_CERT_FILE: ca,
    MILLRACE_REGISTRY_KEY_FILE: key,
    MILLRACE_REDIS_PASSWORD: "r-secret",
    MILLRACE_CLICKHOUSE_USER: "c",
    MILLRACE_CLICKHOUSE_CERT_FILE: ca,
    MILLRACE_CLICKHOUSE_KEY_FILE: key,
  });
  const { kafka, registry, redis, clickhouse } = access;
  assert.deepEqual(kafka.brokers, ["kafka-1:9092", "kafka-2:9092"]);
  assert.deepEqual(kafka.sasl, { mechanism: "scram-sha-512", username: "k", password: "k-secret" });
  assert.match(String((kafka.ssl as { ca?: Buffer }).ca), /BEGIN CERTIFICATE/);
  assert.deepEqual(registry.auth, { username: "s", password: "s-secret" });
  assert.match(String(registry.tls?.key), /BEGIN PRIVATE KEY/);
  assert.deepEqual([redis.password, redis.username, redis.tls], ["r-secret", undefined, {}]);
  assert.deepEqual([clickhouse.user, clickhouse.password], ["c", undefined]);
  assert.match(String(clickhouse.tls?.ca), /BEGIN CERTIFICATE/);
});

test("without TLS and users nothing is made up", () => {
  const { kafka, registry, redis, clickhouse } = accessOf({});
  assert.deepEqual(kafka, { brokers: ["kafka-1:9092", "kafka-2:9092"] });
  assert.deepEqual(registry, { url: addresses.MILLRACE_REGISTRY_URL });
  assert.deepEqual(redis, { urls: [addresses.MILLRACE_REDIS_URL], cluster: false, tls: {} });
  const url = addresses.MILLRACE_CLICKHOUSE_URL;
  assert.deepEqual(clickhouse, { url, topologyDatabase: "{topology}" });
});

test("a password that would cross the network readable is told, and no other", () => {
  const users = {
    MILLRACE_KAFKA_SASL: "plain",
    MILLRACE_KAFKA_USER: "k",
    MILLRACE_KAFKA_PASSWORD: "hidden-10",
    MILLRACE_REGISTRY_USER: "s",
    MILLRACE_REGISTRY_PASSWORD: "hidden-11",
    MILLRACE_REDIS_PASSWORD: "hidden-12",
    MILLRACE_CLICKHOUSE_PASSWORD: "hidden-13",
  };
  const told = (host: string, env: Record<string, string>) =>
    readablePasswords(
      accessOf({
        ...users,
        MILLRACE_KAFKA_BROKERS: `${host}:9092`,
        MILLRACE_REGISTRY_URL: `http://${host}:8081`,
        MILLRACE_REDIS_URL: `redis://${host}:6379`,
        MILLRACE_CLICKHOUSE_URL: `http://${host}:8123`,
        ...env,
      }),
    );
  const all = told("server.example", {});
  assert.deepEqual(
    all.map((text) => /for (.*) goes to server\.example:\d+ without TLS/.exec(text)?.[1]),
    ["Kafka", "the schema registry", "Redis", "ClickHouse"],
  );
  assert.doesNotMatch(all.join("\n"), /hidden/);
  assert.deepEqual(told("127.0.0.1", {}), []);
  assert.equal(told("server.example", { MILLRACE_KAFKA_SASL: "scram-sha-512" }).length, 3);
  assert.equal(told("server.example", { MILLRACE_KAFKA_TLS: "true" }).length, 3);
  const encrypted = { ...users, MILLRACE_KAFKA_TLS: "true" };
  assert.deepEqual(readablePasswords(accessOf(encrypted)), []);
});

test("TLS that was switched off for all of Node is refused where servers may speak it", () => {
  const off = { NODE_TLS_REJECT_UNAUTHORIZED: "0" };
  assert.match(problemsOf({ ...addresses, ...off }), /NODE_TLS_REJECT_UNAUTHORIZED: 0 takes/);
  const bucket = { MILLRACE_ARTIFACTS: "s3://models" };
  assert.match(problemsOf({ ...bucket, ...off }), /NODE_TLS_REJECT_UNAUTHORIZED/);
  assert.equal(problemsOf({ ...addresses, NODE_TLS_REJECT_UNAUTHORIZED: "1" }), "");
  assert.equal(problemsOf(off), "");
});

test("a file of a password or a key that every user can read is told, others are not", () => {
  const open = file("open", "secret");
  const closed = file("closed", "secret");
  chmodSync(open, 0o644);
  chmodSync(closed, 0o640);
  const { config } = resolveConfig({
    env: {
      ...addresses,
      MILLRACE_REGISTRY_USER: "u",
      MILLRACE_REGISTRY_PASSWORD_FILE: open,
      MILLRACE_REDIS_PASSWORD_FILE: closed,
      MILLRACE_REDIS_CA_FILE: ca,
    },
    file: "none",
  });
  const told = openSecretFiles(config);
  assert.equal(told.length, 1);
  assert.match(told[0] ?? "", /open \(registryPasswordFile\) can be read/);
});

test("what is missing or does not go together is told at once, each with its setting", () => {
  const text = problemsOf({
    MILLRACE_STACK: "cluster",
    MILLRACE_KAFKA_SASL: "plain",
    MILLRACE_KAFKA_CA_FILE: ca,
    MILLRACE_KAFKA_CERT_FILE: ca,
    MILLRACE_KAFKA_KEY_FILE: file("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n"),
    MILLRACE_REGISTRY_URL: "http://registry.example",
    MILLRACE_REGISTRY_CA_FILE: ca,
    MILLRACE_REGISTRY_USER: "s",
    MILLRACE_REDIS_URL: "redis://a:6379,rediss://b:6379",
    MILLRACE_REDIS_PASSWORD_FILE: join(folder, "nowhere"),
    MILLRACE_CLICKHOUSE_URL: "https://clickhouse.example",
    MILLRACE_CLICKHOUSE_CA_FILE: key,
    MILLRACE_CLICKHOUSE_KEY_FILE: key,
    MILLRACE_CLICKHOUSE_PASSWORD: "hidden-1",
    MILLRACE_CLICKHOUSE_PASSWORD_FILE: file("empty", "\n"),
  });
  for (const part of [
    /kafkaBrokers: --stack cluster needs it/,
    /kafkaSasl: plain needs kafkaUser and a password/,
    /kafkaCaFile, kafkaCertFile, kafkaKeyFile: TLS needs kafkaTls/,
    /kafkaKeyFile: .*locked\.pem has a passphrase: write the key without one/,
    /registryCaFile: TLS needs an https registryUrl/,
    /registryUser: give its password with MILLRACE_REGISTRY_PASSWORD or --registry-password-file/,
    /redisUrl: several addresses need redisCluster/,
    /redisUrl: write redis:\/\/ or rediss:\/\/ for all of them/,
    /redisPasswordFile: .*nowhere cannot be read \(ENOENT\)/,
    /clickhouseCaFile: .*key\.pem holds no certificate in PEM/,
    /clickhouseCertFile and clickhouseKeyFile go together/,
    /clickhousePassword, clickhousePasswordFile: give one of them/,
  ]) {
    assert.match(text, part);
  }
  assert.doesNotMatch(text, /hidden/);
});

test("a secret as a flag is refused with where it may stand, and is not repeated", () => {
  const secrets = settingNames.filter((name) => "secret" in settings[name]);
  assert.equal(secrets.length, 5);
  for (const name of secrets) {
    const text = problemsOf(addresses, { [name]: "hidden-2" });
    assert.match(text, /--\w+-password: a secret is not taken from the command line/);
    assert.match(text, /set MILLRACE_\w+_PASSWORD, or name a file with --\w+-password-file/);
    assert.doesNotMatch(text, /hidden/);
  }
});

test("an address with a user or a password in it is refused and not repeated, wherever it stands", () => {
  const bad = {
    MILLRACE_KAFKA_BROKERS: "me:hidden-3@kafka:9092",
    MILLRACE_REGISTRY_URL: "https://me:hidden-4@registry.example",
    MILLRACE_REDIS_URL: "rediss://:hidden-5@redis.example:6380",
    MILLRACE_CLICKHOUSE_URL: "https://clickhouse.example:8443/?user=me&password=hidden-6",
  };
  const text = problemsOf({ ...addresses, ...bad });
  for (const variable of Object.keys(bad)) assert.match(text, new RegExp(`- ${variable}: write `));
  assert.doesNotMatch(text, /hidden/);
  const path = file(
    "millrace.config.json",
    JSON.stringify({ redisUrl: ["redis://u:hidden-7@x:1"], redisPassword: ["hidden-8"] }),
  );
  const fromFile = problemsOf({ MILLRACE_STACK: "cluster" }, {}, path);
  assert.match(fromFile, /redisUrl: write redis/);
  assert.match(fromFile, /redisPassword: write a text/);
  assert.doesNotMatch(fromFile, /hidden/);
});

test("a configuration file that cannot be read is told without what stands in it", () => {
  for (const broken of [
    '{"redisPassword": hidden-9}',
    '{\n"redisPassword": "hidden-9",\n}',
    '{"redisPassword": "hidden-9" "seed": 1}',
    '{"redisPassword": "hidden-9',
  ]) {
    const text = problemsOf({}, {}, file("millrace.config.json", broken));
    assert.match(text, /millrace\.config\.json: this is no JSON/);
    assert.doesNotMatch(text, /hidden|'h'/);
  }
});

test("secrets are masked in what is shown of a configuration, and in the configuration itself", () => {
  const env = { ...addresses, MILLRACE_REDIS_PASSWORD: "hidden-9" };
  const resolved = resolveConfig({ env, file: "none" });
  assert.equal(resolved.shown["redisPassword"], "********");
  assert.equal(resolved.shown["kafkaPassword"], "none");
  assert.equal(`${resolved.config.redisPassword}`, "********");
  assert.doesNotMatch(JSON.stringify(resolved), /hidden/);
  assert.doesNotMatch(inspect(resolved, { depth: 9, showHidden: true }), /hidden/);
  assert.equal(resolved.config.redisPassword?.reveal(), "hidden-9");
});

test("flags of the servers go with their stacks alone, and each stack has its directory", () => {
  const flags = { kafkaBrokers: ["kafka:9092"] };
  assert.match(problemsOf({}, flags), /--kafka-brokers: goes with --stack cluster, not embedded/);
  const port = { kafkaPort: "29092" };
  assert.match(
    problemsOf(addresses, port),
    /--kafka-port: goes with --stack local or compose, not cluster/,
  );
  const { config } = resolveConfig({
    env: { MILLRACE_STACK: "compose" },
    flags: port,
    file: "none",
  });
  assert.deepEqual([config.data, config.kafkaPort], [".millrace/compose", 29_092]);
  // Variables and the file may serve several stacks.
  const { MILLRACE_STACK: _, ...others } = addresses;
  assert.equal(problemsOf(others), "");
});
