import assert from "node:assert/strict";
import { test } from "node:test";
import type { Broker, OffsetQuery } from "../../broker/broker.ts";
import { Metrics } from "../metrics/metrics.ts";
import { measureLag, type ReaderPosition } from "./lag-metrics.ts";

const topic = "flights.arrivals";

/** What a scrape shows of lag, and how often the broker was asked. */
function measured(
  positions: () => readonly ReaderPosition[],
  listOffsets: (asked: readonly OffsetQuery[]) => Promise<number[]>,
) {
  let asked = 0;
  const metrics = new Metrics();
  const broker: Pick<Broker, "listOffsets"> = {
    listOffsets: (queries) => {
      asked += 1;
      return listOffsets(queries);
    },
  };
  measureLag(metrics, broker, positions);
  const scrape = async () => {
    const text = await metrics.registry.metrics();
    assert.match(text, /^millrace_commits_total 0$/m);
    return text.split("\n").filter((line) => /^millrace_(sink_)?lag\{/.test(line));
  };
  return { scrape, asked: () => asked };
}

test("the lag of each reader and partition is shown by one request to the broker", async () => {
  const positions = [
    { reader: "source", topic, partition: 0, offset: 90 },
    { reader: "source", topic, partition: 1, offset: 120 },
    { reader: "offline", topic: "flights.rows", partition: 0, offset: 10 },
    { reader: "offline", topic: "flights.rows", partition: 1, offset: 0 },
  ];
  const { scrape, asked } = measured(
    () => positions,
    async (queries) => queries.map(({ at }) => (at === "stable" ? 100 : 0)),
  );
  assert.deepEqual(await scrape(), [
    'millrace_lag{reader="source",topic="flights.arrivals",partition="0"} 10',
    'millrace_lag{reader="source",topic="flights.arrivals",partition="1"} 0',
    'millrace_lag{reader="offline",topic="flights.rows",partition="0"} 90',
    'millrace_lag{reader="offline",topic="flights.rows",partition="1"} 100',
    'millrace_sink_lag{topic="flights.rows",sink="offline"} 190',
  ]);
  assert.equal(asked(), 1);
});

test("a partition that went to another process is no longer shown", async () => {
  let positions = [
    { reader: "source", topic, partition: 0, offset: 0 },
    { reader: "source", topic, partition: 1, offset: 0 },
  ];
  const { scrape } = measured(
    () => positions,
    async (queries) => queries.map(() => 1),
  );
  assert.equal((await scrape()).length, 2);
  positions = positions.slice(0, 1);
  assert.deepEqual(await scrape(), [
    `millrace_lag{reader="source",topic="${topic}",partition="0"} 1`,
  ]);
});

test("while the broker fails or hangs, a scrape shows all but the lag", async () => {
  const positions = () => [{ reader: "source", topic, partition: 0, offset: 0 }];
  const failing = measured(positions, () => Promise.reject(new Error("away")));
  assert.deepEqual(await failing.scrape(), []);
  const hanging = measured(positions, () => new Promise(() => {}));
  assert.deepEqual(await hanging.scrape(), []);
  assert.deepEqual(await hanging.scrape(), []);
  assert.equal(hanging.asked(), 1);
});
