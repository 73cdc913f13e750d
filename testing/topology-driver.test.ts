import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { recordLimitBytes } from "../runtime/engine/rejections.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { flights } from "../topologies/flights/flights.ts";
import { topologyDriver } from "./topology-driver.ts";

const hour = 3_600_000;
const noon = Date.UTC(2001, 0, 1, 12);

function arrival(flightId: number, arrivedAt: number, delayMinutes: number) {
  return { flightId, arrivedAt, origin: "ORD", destination: "JFK", delayMinutes };
}

function departure(flightId: number, departedAt: number) {
  const local = { localHour: 6, localWeekday: 1 };
  return {
    flightId,
    departedAt,
    origin: "JFK",
    destination: "ORD",
    distanceMiles: 740,
    ...local,
  };
}

test("a departure is predicted with what was known before it and labelled by its arrival", async () => {
  const driver = topologyDriver(flights);
  driver.input("flights.arrivals").send(arrival(1, noon, 40));
  driver.input("flights.arrivals").send(arrival(2, noon + 5 * 60_000, 10));
  driver.input("flights.departures").send(departure(3, noon + 10 * 60_000));
  driver.input("flights.departures").send(departure(4, noon + 5 * 60_000));
  driver.input("flights.arrivals").send(arrival(3, noon + 3 * hour, 16));
  await driver.advanceTo(noon + 4 * hour);

  const predictions = await driver.output("flights.predictions").drain();
  assert.equal(predictions.length, 2);
  const third = predictions.find(({ key }) => key === "3");
  assert.ok(third);
  const features = third.value["features"] as Record<string, number | null>;
  assert.equal(features["inbound_flights_1h"], 2);
  assert.equal(features["inbound_delay_mean_15m"], 25);
  assert.equal(features["inbound_late_share_24h"], 0.5);
  assert.equal(features["origin_flights_24h"], 0);
  assert.equal(features["origin_delay_mean_24h"], null);
  assert.equal(features["traffic_departures_1h"], 1);
  assert.equal(third.value["fallback"], true);
  assert.equal(third.value["probability"], 0.2);

  const outcomes = await driver.output("flights.outcomes").drain();
  assert.deepEqual(
    outcomes.map(({ key, value }) => [key, value["labelled"], value["label"]]),
    [["3", true, true]],
  );
  await driver.advanceTo(noon + 37 * hour);
  const late = await driver.output("flights.outcomes").drain();
  assert.deepEqual(
    late.map(({ key, value }) => [key, value["labelled"], value["label"]]),
    [["4", false, null]],
  );
  await driver.close();
});

test("records that cannot be taken end as dead letters with reason and bytes; the rest flows on", async () => {
  const driver = topologyDriver(flights);
  const input = driver.input("flights.departures");
  input.send(departure(1, noon));
  await driver.advanceTo(noon);
  const garbage = Buffer.from([0, 0, 0, 0, 1, 0xff]);
  const unknown = Buffer.from([0, 0, 0, 9, 9, 1, 2, 3]);
  input.send(garbage, { key: "2" });
  input.send(unknown, { key: "3" });
  input.send(departure(4, noon), { key: null, partition: 1 });
  input.send(departure(5, noon + 49 * hour));
  input.send(departure(6, noon), { partition: (partitionOf("6", 4) + 1) % 4 });
  input.send(Buffer.alloc(recordLimitBytes + 1), { key: "7" });
  input.send(departure(8, noon), { key: "9" });
  input.send(departure(10, noon - 11 * 60_000));
  input.send(departure(11, noon + 1));
  await driver.advanceTo(noon + hour);

  const letters = await driver.output("flights.dead-letters").drain();
  const byCode = new Map(letters.map((letter) => [letter.value["code"], letter.value]));
  assert.deepEqual(
    [...byCode.keys()].sort(),
    [
      "EVENT_TIME_AHEAD",
      "KEY_MISMATCH",
      "MALFORMED_AVRO",
      "NULL_KEY",
      "RECORD_OVERSIZE",
      "UNKNOWN_SCHEMA",
      "WRONG_PARTITION",
    ].sort(),
  );
  for (const [code, letter] of byCode) {
    assert.ok(String(letter["reason"]).length > 10, `${code} has a reason for people`);
    assert.equal(letter["topic"], "flights.departures");
  }
  assert.deepEqual(byCode.get("MALFORMED_AVRO")?.["value"], garbage);
  assert.equal(byCode.get("UNKNOWN_SCHEMA")?.["schemaId"], 0x909);
  const oversize = byCode.get("RECORD_OVERSIZE")?.["value"];
  assert.ok(Buffer.isBuffer(oversize) && oversize.length === recordLimitBytes + 1);
  assert.equal(byCode.get("NULL_KEY")?.["key"], null);

  const late = await driver.output("flights.late").drain();
  assert.deepEqual(
    late.map(({ value }) => [value["eventTime"], value["streamTime"]]),
    [[noon - 11 * 60_000, noon]],
  );
  const predicted = await driver.output("flights.predictions").drain();
  assert.deepEqual(predicted.map(({ key }) => key).sort(), ["1", "11"]);
  const accounts = await driver.accounting();
  const scored = accounts.filter(({ branch }) => branch === "predictions");
  const sum = (of: "in" | "processed" | "late" | "deadLettered" | "filtered") =>
    scored.reduce((total, account) => total + account[of], 0);
  assert.deepEqual(
    [sum("in"), sum("processed"), sum("late"), sum("deadLettered"), sum("filtered")],
    [10, 2, 1, 7, 0],
  );
  await driver.close();
});

test("a second departure of a flight is filtered before scoring, features count both", async () => {
  const driver = topologyDriver(flights);
  driver.input("flights.departures").send(departure(1, noon));
  driver.input("flights.departures").send(departure(1, noon));
  driver.input("flights.departures").send(departure(2, noon + 60_000));
  await driver.advanceTo(noon + hour);
  const predictions = await driver.output("flights.predictions").drain();
  assert.deepEqual(predictions.map(({ key }) => key).sort(), ["1", "2"]);
  const second = predictions.find(({ key }) => key === "2");
  assert.ok(second);
  const features = second.value["features"] as Record<string, number>;
  assert.equal(features["traffic_departures_1h"], 2);
  const accounts = await driver.accounting();
  const filtered = accounts
    .filter(({ branch }) => branch === "predictions")
    .reduce((total, { filtered }) => total + filtered, 0);
  assert.equal(filtered, 1);
  await driver.close();
});

test("stores show what a view holds, what is served and what analysts query", async () => {
  const driver = topologyDriver(flights);
  driver.input("flights.arrivals").send(arrival(1, noon, 40));
  driver.input("flights.departures").send(departure(2, noon + 1));
  await driver.advanceTo(noon + 10 * 60_000);
  assert.equal((await driver.store("origin_delays@1").get("ORD"))?.values[0], 1);
  assert.equal(await driver.store("origin_delays@1").get("LAX"), null);
  const served = await driver.online("origin_delays@1", "ORD");
  assert.deepEqual(
    [served.freshness, served.asOf, served.validUntil, served.features["delay_mean_1h"]],
    ["FRESH", noon, noon + 15 * 60_000, 40],
  );
  assert.equal((await driver.online("origin_delays@1", "ORD", noon + hour)).freshness, "STALE");
  assert.equal((await driver.online("origin_delays@1", "LAX")).freshness, "MISSING");

  await driver.advanceTo(noon + 20 * 60_000);
  const later = await driver.online("origin_delays@1", "ORD");
  assert.deepEqual(
    [later.freshness, later.asOf, later.features["flights_15m"], later.features["flights_1h"]],
    ["FRESH", noon + 15 * 60_000, 0, 1],
  );
  const rows = await driver.offline("origin_delays@1");
  assert.deepEqual(
    rows.map((row) => [row["origin"], row["flights_15m"], row["delay_mean_15m"]]),
    [
      ["ORD", 1, 40],
      ["ORD", 0, null],
    ],
  );
  const [prediction] = await driver.offline("predictions");
  assert.deepEqual([prediction?.["probability"], prediction?.["fallback"]], [0.2, 1]);
  await driver.close();
});

test("a key of 1 KiB reaches rows, look-ups and predictions whole; a longer one is a dead letter", async () => {
  const driver = topologyDriver(flights);
  const origin = `${"ä".repeat(509)}XY`;
  driver.input("flights.arrivals").send({ ...arrival(3, noon, 40), origin: `${origin}long` });
  driver.input("flights.arrivals").send({ ...arrival(1, noon, 40), origin });
  driver.input("flights.departures").send({ ...departure(2, noon + 60_000), origin });
  await driver.advanceTo(noon + 3 * hour);
  const rows = await driver.offline("origin_delays@1");
  assert.deepEqual([...new Set(rows.map((row) => row["origin"] === origin))], [true]);
  const [prediction] = await driver.output("flights.predictions").drain();
  const features = prediction?.value["features"] as Record<string, number>;
  assert.equal(features["origin_flights_1h"], 1);
  const letters = await driver.output("flights.dead-letters").drain();
  assert.deepEqual(
    letters.map(({ value }) => value["code"]),
    ["KEY_OVERSIZE"],
  );
  await driver.close();
});

test("what the driver sends is read under every naming of subjects", async () => {
  const reading = recordSchema<{ readonly id: string; readonly at: number }>({
    type: "record",
    name: "Reading",
    namespace: "acme",
    fields: [
      { name: "id", type: "string" },
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    ],
  });
  for (const subjects of ["topic", "record", "topic-record", "any"] as const) {
    const view = from("readings", reading, { subjects })
      .timedBy("at", { lateness: "1m" })
      .partitionedBy("id")
      .keyedBy("id")
      .over("1h")
      .compute({ n: agg.count() })
      .asFeatureView("readings@1", { ttl: "2h" })
      .into(online);
    const driver = topologyDriver(topology("t", { view }));
    driver.input("readings").send({ id: "a", at: noon });
    await driver.advanceTo(noon + 1);
    const letters = await driver.output("t.dead-letters").drain();
    const { features } = await driver.online("readings@1", "a");
    await driver.close();
    assert.deepEqual([letters, features["n_1h"]], [[], 1], subjects);
  }
});

const program = (url: (of: string) => string) => `
import assert from "node:assert/strict";
import { test } from "node:test";
import { flights } from ${JSON.stringify(url("../topologies/flights/flights"))};
import { topologyDriver } from ${JSON.stringify(url("./topology-driver"))};
test("fails", async () => {
  const driver = topologyDriver(flights);
  const arrival = { flightId: 1, arrivedAt: 60_000, origin: "ORD", destination: "JFK" };
  driver.input("flights.arrivals").send({ ...arrival, delayMinutes: 40 });
  await driver.advanceTo(120_000);
  assert.equal((await driver.online("origin_delays@1", "ORD", 60_001)).freshness, "in the middle");
  await driver.close();
});
`;

test("a test that fails before it closes its driver ends", { timeout: 60_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "millrace-driver-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "fails.mjs");
  const ending = extname(fileURLToPath(import.meta.url));
  await writeFile(
    file,
    program((of) => new URL(`${of}${ending}`, import.meta.url).href),
  );
  const child = spawn(process.execPath, [file], { env: {}, stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const said: Buffer[] = [];
  child.stdout.on("data", (part: Buffer) => said.push(part));
  assert.deepEqual(await once(child, "close"), [1, null]);
  assert.match(Buffer.concat(said).toString(), /in the middle/);
});
