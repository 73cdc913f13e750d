/** Each server away or silent at the start, alone: what is told, and what `--wait` does. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startScriptedBroker } from "../../broker/kafka/scripted-broker-fixture.ts";
import type { Config } from "../../runtime/config/settings.ts";
import { startRegistryServer } from "../../runtime/schema-registry/registry-server-fixture.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { frontPassword } from "../../sinks/chdb/front-password.ts";
import { checkServers } from "../../stacks/check-servers.ts";
import { clickHousePasswordFile, clickHouseServer } from "../../stacks/local/clickhouse.ts";
import { freePorts } from "../../stacks/local/free-ports.ts";
import { durableRedis, startRedis } from "../../stacks/local/redis.ts";
import { startServer } from "../../stacks/local/server-process.ts";
import { Door } from "../../testing/door-fixture.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { Start } from "./start.ts";

const names = ["Kafka", "Schema registry", "Redis", "ClickHouse"] as const;
type Name = (typeof names)[number];
const folder = mkdtempSync(join(tmpdir(), "millrace-start-"));
const skip = requirement("redis-server");
const closing: (() => Promise<unknown>)[] = [];
const doors = new Map<Name, Door>();
/** How long a check waits for a server that is there: a busy machine takes a while. */
const patienceMs = 2_500;
let check = async (): Promise<void> => {};

before(async () => {
  if (skip !== false) return;
  const kafka = await startScriptedBroker({ answers: {}, leaders: () => ({}) });
  const registry = await startRegistryServer();
  const redis = await startRedis({ directory: join(folder, "redis"), args: durableRedis });
  const directory = join(folder, "clickhouse");
  const [port = 0] = await freePorts(1);
  const clickhouse = await startServer(
    await clickHouseServer({ directory, port, maxMemoryBytes: 2 ** 31 }),
  );
  closing.push(
    () => kafka.close(),
    () => registry.close(),
    () => redis.stop(),
    () => clickhouse.stop(),
  );
  const portOf = (address: string | undefined) => Number(address?.split(":").at(-1));
  const ports = [portOf(kafka.brokers[0]), portOf(registry.url), portOf(redis.url), port];
  for (const [index, name] of names.entries()) {
    const door = await Door.open(ports[index] as number);
    doors.set(name, door);
    closing.unshift(() => door.close());
  }
  const at = (name: Name) => `127.0.0.1:${doors.get(name)?.port}`;
  const access = {
    kafka: { brokers: [at("Kafka")] },
    registry: { url: `http://${at("Schema registry")}` },
    redis: { urls: [`redis://${at("Redis")}`] },
    clickhouse: {
      url: `http://${at("ClickHouse")}`,
      password: await frontPassword(clickHousePasswordFile(directory)),
    },
  };
  check = () => checkServers("compose", access, patienceMs);
});
after(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true, force: true });
});

/** A start that waits or does not, the lines that it said and the port of its metrics. */
async function start(waits: boolean) {
  const said: string[] = [];
  const progress = { update() {}, step() {}, stop() {}, say: (line: string) => said.push(line) };
  const started = new Start({ wait: waits, metrics: 0 } as Partial<Config> as Config, progress);
  const closes: (() => Promise<void>)[] = [];
  await started.openMetrics(closes);
  const url = /http:\S+(?=\/metrics)/.exec(said[0] ?? "")?.[0] ?? "";
  const close = async () => {
    for (const each of closes) await each();
  };
  return { started, said, url, close };
}

test("all servers there, the start goes on", { skip }, async () => {
  await check();
});

for (const name of names) {
  for (const state of ["gone", "silent"] as const) {
    test(`${name} ${state}: it alone is named, a start ends, and with --wait waits until it is back`, {
      skip,
      timeout: 60_000,
    }, async () => {
      const door = doors.get(name) as Door;
      await door.set(state);
      const impatient = await start(false);
      const error = await impatient.started.retry(check).then(
        () => null,
        (thrown: unknown) => thrown,
      );
      await impatient.close();
      assert.ok(error instanceof MillraceError);
      assert.equal(error.code, "STACK_UNREACHABLE");
      const { count, problems, mayPass } = error.context;
      assert.deepEqual([count, mayPass], [1, true]);
      assert.ok(String(problems).startsWith(`- ${name}: `), String(problems));

      const { started, said, url, close } = await start(true);
      let isThere = false;
      const waited = started.retry(check).then(() => {
        isThere = true;
      });
      while (!said.some((line) => line.includes("its servers"))) await wait(5);
      assert.equal((await fetch(`${url}/live`)).status, 200);
      const ready = await fetch(`${url}/ready`);
      assert.deepEqual([ready.status, await ready.json()], [503, { waitingFor: ["its servers"] }]);
      assert.equal(isThere, false);
      await door.set("through");
      await waited;
      assert.equal(said.filter((line) => line.includes("its servers")).length, 2, said.join("\n"));
      await close();
    });
  }
}
