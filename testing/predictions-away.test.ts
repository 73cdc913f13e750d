/** ClickHouse, a real one, is away under the predictions of a gateway, and comes back. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { predictDoor } from "../gateway/doors/predict.ts";
import { ask, openTestGateway, posting } from "../gateway/gateway-fixture.ts";
import { offlineEncoders, offlineTables } from "../runtime/offline/tables.ts";
import { plan, predictWorld, step } from "../runtime/predict/predict-fixture.ts";
import { Predictions } from "../runtime/predict/predictions.ts";
import { offlineSink } from "../runtime/pump/offline-sink.ts";
import { SinkPump } from "../runtime/pump/sink-pump.ts";
import { servedTopic } from "../schemas/topic-names.ts";
import { frontPassword } from "../sinks/chdb/front-password.ts";
import { openClickHouse } from "../sinks/clickhouse/clickhouse.ts";
import { createMemoryOnlineStore } from "../sinks/memory/memory.ts";
import type { Sink, SinkBlock } from "../sinks/sink.ts";
import { clickHousePasswordFile, clickHouseServer } from "../stacks/local/clickhouse.ts";
import { freePorts } from "../stacks/local/free-ports.ts";
import { startServer } from "../stacks/local/server-process.ts";

/** Rows that close a block: of each partition one is held at most. */
const maxRows = 40;
/** Records of a request, and requests at a time. */
const [records, atOnce] = [5, 10];

/** Says how many rows it holds that are not stored. */
function counted(sink: Sink) {
  const held = new Set<SinkBlock>();
  const own: Sink = {
    ...sink,
    open: (partition) => {
      const block = sink.open(partition);
      held.add(block);
      return block;
    },
    write: async (block, range) => {
      await sink.write(block, range);
      held.delete(block);
    },
  };
  return { sink: own, rows: () => [...held].reduce((sum, { rows }) => sum + rows, 0) };
}

test("predictions that are answered while ClickHouse is away stand there once, and wait in Kafka meanwhile", {
  timeout: 300_000,
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "millrace-predictions-away-"));
  const closings: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  t.after(async () => {
    for (const close of closings.reverse()) await close();
  });
  const [port = 0] = await freePorts(1);
  const directory = join(folder, "clickhouse");
  const options = { directory, port, maxMemoryBytes: 2 ** 31 };
  const server = await startServer(await clickHouseServer(options));
  closings.push(() => server.stop());
  const password = await frontPassword(clickHousePasswordFile(directory));
  const store = openClickHouse({ url: `http://127.0.0.1:${port}`, password });
  closings.push(() => store.close());
  await store.migrate(offlineTables(plan), []);

  const world = await predictWorld();
  closings.push(() => world.close());
  const stack = { ...world, online: createMemoryOnlineStore(), artifacts: world.artifacts("one") };
  const version = await world.promote("away");
  const predictions = new Predictions([plan], stack, { logs: true });
  closings.push(() => predictions.close());
  const gateway = await openTestGateway([predictDoor(predictions)]);
  closings.push(() => gateway.close());

  const answered: string[] = [];
  let most = 0;
  const request = async (): Promise<void> => {
    const record = { card: "c", shop: "s", country: "fr", amount: 60 };
    const body = { records: Array.from({ length: records }, () => record) };
    const told = await ask(`${gateway.url}/v1/predict/${step.name}`, posting(body));
    assert.equal(told.status, 200, JSON.stringify(told.body));
    const made = told.body["predictions"] as { id: string; version: string }[];
    for (const each of made) {
      assert.equal(each.version, version);
      answered.push(each.id);
    }
  };
  const requests = async (count: number): Promise<void> => {
    for (let sent = 0; sent < count; sent += atOnce) {
      await Promise.all(Array.from({ length: atOnce }, request));
      most = Math.max(most, log.rows());
    }
  };

  const topic = servedTopic(plan.name, step.name);
  await world.broker.createTopics(plan.topics.filter(({ name }) => name === topic));
  const found = offlineEncoders(plan, world.registry).find((each) => each.topic === topic);
  assert.ok(found !== undefined);
  const log = counted(offlineSink(store, found.encoder));
  const troubles: (unknown | null)[] = [];
  const pump = await SinkPump.start({
    ...{ broker: world.broker, topic, partitions: [0, 1], sink: log.sink, group: "pump" },
    ...{ maxRows, maxWaitMs: 60_000, onTrouble: (error) => void troubles.push(error) },
  });
  closings.push(() => pump.stop());

  await requests(20);
  await pump.drain();
  await server.kill();
  await requests(200);
  while (troubles.length === 0) await wait(5);
  await requests(20);
  // However many were answered: the others stand in Kafka.
  assert.ok(most >= maxRows && most <= 2 * maxRows, `${most} rows were held`);
  assert.equal(predictions.waitingBytes, 0);
  await server.start();
  await requests(20);
  await pump.drain();
  assert.equal(troubles.at(-1), null);

  const rows = await store.query<{ id: string }>(
    `SELECT toString(payment_id) AS id FROM raw_${step.name}_served`,
  );
  assert.equal(answered.length, 260 * records);
  assert.deepEqual(rows.map(({ id }) => id).sort(), answered.sort());
});
