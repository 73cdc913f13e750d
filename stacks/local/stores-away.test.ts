/** Stores that stand still or are killed while a pump fills them, and then are there again. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { constants, getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { openEmbeddedBroker } from "../../broker/embedded/embedded-broker.ts";
import { offlineSink } from "../../runtime/pump/offline-sink.ts";
import { onlineSink } from "../../runtime/pump/online-sink.ts";
import {
  NumberedTopic,
  numbersEncoder,
  numbersTable,
} from "../../runtime/pump/pump-topic-fixture.ts";
import { SinkPump } from "../../runtime/pump/sink-pump.ts";
import { MillraceError } from "../../schemas/errors.ts";
import { frontPassword } from "../../sinks/chdb/front-password.ts";
import { openClickHouse } from "../../sinks/clickhouse/clickhouse.ts";
import { openRedisStore } from "../../sinks/redis/redis.ts";
import type { Sink } from "../../sinks/sink.ts";
import { requirement } from "../../testing/requirements-fixture.ts";
import { clickHousePasswordFile, clickHouseServer } from "./clickhouse.ts";
import { freePorts } from "./free-ports.ts";
import { durableRedis, startRedis } from "./redis.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const folder = mkdtempSync(join(tmpdir(), "millrace-stores-away-"));
const servers: Pick<ServerProcess, "stop">[] = [];
after(async () => {
  for (const server of servers) await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Until a server that stands still is given up, ms. */
const timeoutMs = 1_000;

type Server = Pick<ServerProcess, "pid" | "start" | "kill">;

/**
 * Fills a store while its server goes and comes: paused, killed, paused again. Returns what was
 * committed.
 *
 * @param code - of the error that is told.
 */
async function fillThroughFaults(sink: Sink, server: Server, code: string): Promise<number[]> {
  const broker = await openEmbeddedBroker({ directory: null });
  const topic = await NumberedTopic.create(broker, "numbers");
  const troubles: (unknown | null)[] = [];
  const pump = await SinkPump.start({
    ...{ broker, topic: "numbers", partitions: [0, 1], sink, group: "pump" },
    ...{ maxRows: 7, maxWaitMs: 5, onTrouble: (error) => void troubles.push(error) },
  });
  await topic.write(20);
  await pump.drain();
  for (const fault of ["paused", "killed", "paused"] as const) {
    troubles.length = 0;
    if (fault === "paused") process.kill(server.pid, "SIGSTOP");
    else await server.kill();
    await topic.write(50);
    while (troubles.length === 0) await wait(5);
    const [told] = troubles;
    assert.ok(told instanceof MillraceError && told.code === code, `${fault}: ${told}`);
    if (fault === "paused") process.kill(server.pid, "SIGCONT");
    else await server.start();
    await pump.drain();
    assert.equal(troubles.at(-1), null, fault);
    assert.equal(troubles.filter((each) => each === null).length, 1, "it is back once");
  }
  await pump.stop();
  await broker.close();
  return topic.committed;
}

test("a Redis that stands still or is killed is waited for and told, and holds every row after it", {
  skip: requirement("redis-server"),
}, async () => {
  const server = await startRedis({ directory: join(folder, "redis"), args: durableRedis });
  servers.push(server);
  const store = await openRedisStore({ urls: [server.url], timeoutMs });
  const sink = onlineSink(store, "numbers@1");
  const committed = await fillThroughFaults(sink, server, "ONLINE_UNAVAILABLE");
  const read = await store.read(
    committed.map((number) => {
      return { view: "numbers@1", entityKey: String(number), partition: number % 2 };
    }),
  );
  assert.deepEqual(
    read.map(({ row }) => row?.values[0]),
    committed,
  );
  await store.close();
});

test("a ClickHouse that stands still or is killed is waited for and told, and has each row once", async () => {
  const directory = join(folder, "clickhouse");
  const [port = 0] = await freePorts(1);
  const options = { directory, port, maxMemoryBytes: 2 ** 31 };
  const server = await startServer(await clickHouseServer(options));
  servers.push(server);
  // Where cores are short it comes behind the stream, with all its threads.
  assert.equal(getPriority(server.pid), constants.priority.PRIORITY_BELOW_NORMAL);
  const password = await frontPassword(clickHousePasswordFile(directory));
  const url = `http://127.0.0.1:${port}`;
  const store = openClickHouse({ url, password, requestTimeoutMs: timeoutMs });
  await store.migrate([numbersTable], []);
  const sink = offlineSink(store, numbersEncoder);
  const committed = await fillThroughFaults(sink, server, "OFFLINE_UNAVAILABLE");
  const rows = await store.query<{ number: string }>(
    "SELECT number FROM raw_numbers ORDER BY number",
  );
  assert.deepEqual(
    rows.map(({ number }) => Number(number)),
    committed,
  );
  await store.close();
});
