/** Event time from the record's own timestamp, and from plain numbers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { msOf } from "../schemas/source-time.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { describe } from "../topologies/dsl/describe.ts";
import { offline, online } from "../topologies/dsl/roles.ts";
import { from, recordTime, type Timed } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

const at = Date.UTC(2001, 0, 1);
const clicks = from("clicks", json({ user: types.text(), n: types.integer() }));
const payments = from("payments", json({ card: types.text(), paid: types.integer() }));

test("records without a time in them take the one of the Kafka record, lateness included", async () => {
  const view = clicks
    .timedBy(recordTime(), { lateness: "10s" })
    .partitionedBy("user")
    .keyedBy("user")
    .over("1h")
    .compute({ clicks: agg.count() })
    .asFeatureView("clicks@1", { ttl: "2h" })
    .into(online, offline);
  const plan = topology("sums", { view }, { partitions: 1 });
  const [source] = plan.sources;
  assert.deepEqual([source?.timeField, source?.recordTime], ["recordTime", true]);
  assert.match(describe(plan), /time recordTime, lateness 10s/);
  const driver = topologyDriver(plan);
  const input = driver.input("clicks");
  input.send({ user: "a", n: 1 }, { timestamp: at });
  input.send({ user: "a", n: 2 }, { timestamp: at + 60_000 });
  input.send({ user: "a", n: 3 }, { timestamp: at });
  input.send({ user: "a", n: 4 }, { timestamp: -1 });
  await driver.advanceTo(at + 120_000);
  const { features } = await driver.online("clicks@1", "a", at + 60_001);
  assert.deepEqual(features, { clicks_1h: 2 });
  const late = await driver.output("sums.late").drain();
  assert.deepEqual(
    late.map(({ value }) => [Number(value["eventTime"]), Number(value["latenessMs"])]),
    [[at, 60_000]],
  );
  const dead = await driver.output("sums.dead-letters").drain();
  assert.deepEqual(
    dead.map(({ value }) => value["code"]),
    ["EVENT_TIME_MISSING"],
  );
  input.send({ user: "a", n: 5 });
  await assert.rejects(driver.online("clicks@1", "a"), /timed by recordTime\(\)/);
  await driver.close();
});

test("a plain number with its unit is a timestamp from there on", async () => {
  const sums = payments
    .timedBy("paid", { lateness: "10s", unit: "s" })
    .partitionedBy("card")
    .keyedBy("card")
    .over("1h")
    .compute({ newest: agg.max("paid") })
    .asFeatureView("newest@1", { ttl: "2h" })
    .into(online);
  const plan = topology("sums", { sums }, { partitions: 1 });
  assert.match(describe(plan), /time paid in s, lateness/);
  assert.equal(
    plan.sources[0]?.layout.fields.find(({ name }) => name === "paid")?.type,
    "timestamp",
  );
  const driver = topologyDriver(plan);
  driver.input("payments").send({ card: "c", paid: at / 1_000 });
  await driver.advanceTo(at + 60_000);
  const { features } = await driver.online("newest@1", "c", at + 1);
  assert.deepEqual(features, { newest_1h: at });
  await driver.close();
});

test("instants in every unit are rounded towards the past, without loss", () => {
  assert.deepEqual(
    [msOf(1.5, "s"), msOf(-1, "us"), msOf(1_999_999, "ns"), msOf(-1n, "ns"), msOf(7, "ms")],
    [1_500, -1, 1, -1, 7],
  );
  assert.equal(msOf(1_700_000_000_123_456_789n, "ns"), 1_700_000_000_123);
  assert.equal(msOf(2n ** 62n, "s"), 2n ** 62n * 1_000n);
  assert.equal(msOf(null, "s"), null);
});

test("a time that is no number, has no unit or stands twice is told when the topology is built", () => {
  const build = (timed: Timed<{ readonly card: string }>) => {
    const sums = timed
      .partitionedBy("card")
      .keyedBy("card")
      .over("1h")
      .compute({ n: agg.count() })
      .asFeatureView("v@1", { ttl: "2h" })
      .into(online);
    return topology("sums", { sums });
  };
  const lateness = "1s";
  assert.throws(
    () => build(payments.timedBy("paid", { lateness }) as never),
    /needs a timestamp that is never null: say its unit, e\.g\. \{ unit: "ms" \}/,
  );
  const iso = { card: types.text(), paid: types.timestamp("iso") };
  const dated = from("payments", json(iso));
  assert.throws(
    () => build(dated.timedBy("paid", { lateness, unit: "s" }) as never),
    /needs a number in s that is never null: a timestamp has one/,
  );
  assert.throws(
    () => build(payments.timedBy("paid", { lateness, unit: "min" as "s" }) as never),
    /timedBy\("paid"\) has the unit "min": one of s, ms, us, ns/,
  );
  const twice = from("payments", json({ ...iso, paid: types.integer(), recordTime: types.text() }));
  assert.throws(
    () => build(twice.timedBy(recordTime(), { lateness }) as never),
    /which the format has already/,
  );
});
