/** What docker-compose.yml gives its servers is taken by the same servers on this machine. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Redis } from "ioredis";
import { parse } from "yaml";
import { openConfluentRegistry } from "../runtime/schema-registry/confluent.ts";
import { packageRoot } from "../schemas/package-root.ts";
import { apicurioServer, registryUrl } from "../stacks/local/apicurio.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { startKafka } from "../stacks/local/kafka.ts";
import { kafkaReady } from "../stacks/local/kafka-ready.ts";
import { startRedis } from "../stacks/local/redis.ts";
import { startServer } from "../stacks/local/server-process.ts";
import { requirement } from "./requirements-fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-compose-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const compose = parse(readFileSync(join(packageRoot(), "docker-compose.yml"), "utf8"), {
  merge: true,
}) as {
  services: Record<string, { command?: readonly string[]; environment?: Record<string, string> }>;
};

/** Its environment, with the defaults of its variables. */
function environmentOf(service: string): Record<string, string> {
  const given = compose.services[service]?.environment ?? {};
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      String(value).replace(/\$\{\w+:-([^}]*)\}/g, "$1"),
    ]),
  );
}

describe("with what compose gives it", { concurrency: true }, () => {
  test("Kafka starts with the settings of compose, and answers on both of its listeners", {
    skip: requirement("java", "maven"),
  }, async () => {
    const [internal = 0] = await freePorts(1);
    const settings = Object.entries(environmentOf("kafka"))
      .filter(([name]) => name.startsWith("KAFKA_") && name !== "KAFKA_HEAP_OPTS")
      .map(([name, value]) => {
        const here = value
          .replaceAll(":9092", ":{port}")
          .replaceAll(":9093", ":{controllerPort}")
          .replaceAll(":9094", `:${internal}`)
          .replace("/var/lib/kafka/data", join(folder, "kafka", "kafka-1", "data"));
        return [name.slice("KAFKA_".length).toLowerCase().replaceAll("_", "."), here];
      });
    const directory = join(folder, "kafka");
    const kafka = await startKafka({ directory, settings: Object.fromEntries(settings) });
    try {
      await kafkaReady([`127.0.0.1:${internal}`], {});
    } finally {
      await kafka.kill();
    }
  });

  test("Apicurio takes the variables of compose: compatibility is checked, data are in the file", {
    skip: requirement("java-21", "maven"),
  }, async () => {
    const [port = 0] = await freePorts(1);
    const directory = join(folder, "registry");
    const server = await apicurioServer({ directory, port });
    const file = join(directory, "of-compose");
    const variables = environmentOf("registry");
    const env = Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [
        name,
        value.replace("/var/lib/apicurio/registry", file),
      ]),
    );
    assert.match(env["APICURIO_DATASOURCE_URL"] ?? "", new RegExp(`^jdbc:h2:file:${file};`));
    const args = server.args.filter((arg) => !arg.startsWith("-Dapicurio."));
    const running = await startServer({ ...server, args, env: { ...server.env, ...env } });
    try {
      const registry = openConfluentRegistry({ url: registryUrl(port) });
      const schema = (type: string) =>
        ({ type: "record", name: "Reading", fields: [{ name: "value", type }] }) as const;
      await registry.register("readings-value", schema("long"));
      await assert.rejects(registry.register("readings-value", schema("string")), {
        code: "SCHEMA_INCOMPATIBLE",
      });
      await registry.close();
      assert.ok(existsSync(`${file}.mv.db`));
    } finally {
      await running.kill();
    }
  });

  test("Redis starts with the command of compose: it keeps what is written and evicts nothing", {
    skip: requirement("redis-server"),
  }, async () => {
    const [program, ...args] = compose.services["redis"]?.command ?? [];
    assert.equal(program, "redis-server");
    const redis = await startRedis({ directory: join(folder, "redis"), args });
    try {
      const client = new Redis(redis.url);
      await client.set("kept", "1");
      assert.deepEqual(await client.config("GET", "maxmemory-policy"), [
        "maxmemory-policy",
        "noeviction",
      ]);
      client.disconnect();
      await redis.kill();
      await redis.start();
      const again = new Redis(redis.url);
      assert.equal(await again.get("kept"), "1");
      again.disconnect();
    } finally {
      await redis.kill();
    }
  });
});
