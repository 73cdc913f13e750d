import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../schemas/package-root.ts";
import { pythonEnvironment, requirement } from "./requirements-fixture.ts";
import { type SecuredServers, users } from "./secured-servers-fixture.ts";

const examples = join(packageRoot(), "examples");

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function python(
  script: string,
  args: readonly string[],
  secrets: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const program = join(pythonEnvironment, "bin", "python");
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, PYTHONFAULTHANDLER: "1", ...secrets };
  // On SIGABRT Python says where it hangs.
  const options = { env, timeout: 300_000, killSignal: "SIGABRT" as const };
  return new Promise((resolve) => {
    execFile(program, [join(examples, script), ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
    });
  });
}

/**
 * Tests of the examples against servers behind TLS and users, as examples/README.md says, where
 * flights have been predicted.
 */
export function securedExamples(
  skip: false | string,
  settings: () => SecuredServers["settings"],
): void {
  const needed = skip === false ? requirement("python-clients") : skip;

  const of = (name: string) => settings()[`MILLRACE_${name}`] ?? "";

  function clientArguments(): string[] {
    const kafka = [
      ...["security.protocol=SASL_SSL", `sasl.mechanism=${of("KAFKA_SASL").toUpperCase()}`],
      ...[`sasl.username=${users.kafka.username}`, `ssl.ca.location=${of("KAFKA_CA_FILE")}`],
      ...[`ssl.certificate.location=${of("KAFKA_CERT_FILE")}`],
      // The user may read as groups of flights alone.
      ...[`ssl.key.location=${of("KAFKA_KEY_FILE")}`, "group.id=flights.python"],
    ];
    const schemas = [
      ...[
        `ssl.ca.location=${of("REGISTRY_CA_FILE")}`,
        `ssl.key.location=${of("REGISTRY_KEY_FILE")}`,
      ],
      ...[`ssl.certificate.location=${of("REGISTRY_CERT_FILE")}`],
    ];
    return [
      ...["--brokers", of("KAFKA_BROKERS"), "--registry", of("REGISTRY_URL")],
      ...kafka.flatMap((each) => ["--kafka", each]),
      ...schemas.flatMap((each) => ["--schemas", each]),
    ];
  }

  function clientSecrets(): Record<string, string> {
    const { username, password } = users.registry;
    return { KAFKA_PASSWORD: users.kafka.password, REGISTRY_LOGIN: `${username}:${password}` };
  }

  test("the Python consumer and producer log in over TLS, with passwords from the environment", {
    skip: needed,
  }, async () => {
    const consumer = "python-consumer/consumer.py";
    const consumed = await python(consumer, clientArguments(), clientSecrets());
    assert.equal(consumed.code, 0, `${consumed.err}${consumed.out}`);
    assert.match(consumed.err, /^([1-9][\d,]*) records of \1 flights/m);
    const flights = ["--flights", "2", "--rate", "100", "--flight-time", "0"];
    const producer = "python-producer/producer.py";
    const sent = await python(producer, [...clientArguments(), ...flights], clientSecrets());
    assert.deepEqual([sent.code, sent.out.trim().split("\n").length], [0, 4], sent.err);
    const wrong = { ...clientSecrets(), REGISTRY_LOGIN: "nobody:nothing" };
    const refused = await python(producer, [...clientArguments(), ...flights], wrong);
    assert.deepEqual([refused.code, refused.out], [1, ""]);
  });

  test("clickhouse-connect speaks TLS as a user", { skip: needed }, async () => {
    const { hostname, port } = new URL(of("CLICKHOUSE_URL"));
    const { username, password } = users.clickhouse;
    const where = ["--host", hostname, "--port", port, "--secure", "--user", username];
    const all = [...where, "--ca", of("CLICKHOUSE_CA_FILE")];
    const script = "clickhouse-connect/analyst.py";
    const asked = await python(script, all, { CLICKHOUSE_PASSWORD: password });
    assert.equal(asked.code, 0, asked.err);
    assert.match(asked.out, /^By day/m);
    assert.equal((await python(script, all, { CLICKHOUSE_PASSWORD: "wrong" })).code, 1);
  });
}
