import assert from "node:assert/strict";
import { test } from "node:test";
import { agg } from "../topologies/dsl/aggregates.ts";
import { custom } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { upper } from "../topologies/dsl/select.ts";
import { topology } from "../topologies/dsl/topology.ts";
import {
  assertBalanced,
  makePayment,
  narrow,
  noon,
  payments,
  runOver,
} from "./oversize-fixture.ts";

const shops = payments
  .keyedBy("shop")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("shops@1", { ttl: "1d" })
  .into(online, offline);
const predictions = payments
  .enrichedWith({ shop: shops.at("shop") }, { missing: "null" })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
  .into(topic("predicted"), offline);
const tills = payments
  .keyedBy("till")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("tills@1", { ttl: "1d" })
  .into(online, offline);
const plan = topology("sizes", { predictions, tills });

test("texts that outgrow their record once they are written are dead letters of their source", async () => {
  const { accounts, report, letters } = await runOver(plan, [
    { payment: makePayment("1", { note: "~".repeat(500_000) }), fill: 0xff },
    { payment: makePayment("2", { shop: "|".repeat(262_000) }) },
    { payment: makePayment("3") },
  ]);
  assert.deepEqual(letters.map(({ code }) => code).sort(), ["KEY_OVERSIZE", "TEXT_OVERSIZE"]);
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
  assert.equal(report.scorings[0]?.predictions, 1);
});

test("what a step derives and its topic does not take is a dead letter of the step", async () => {
  const long = "i".repeat(1_000);
  const { accounts, report, letters } = await runOver(
    narrow(plan, { predicted: 2_048, "sizes.tills.v1.inbox": 1_500 }),
    [
      { payment: makePayment(long) },
      { payment: makePayment("2", { till: "x".repeat(600) }) },
      { payment: makePayment("3") },
    ],
  );
  assert.deepEqual(
    letters.map(({ code, step, offset, key }) => [code, step, offset, key === null]).sort(),
    [
      ["DERIVED_OVERSIZE", "payments", -1, true],
      ["DERIVED_OVERSIZE", "predictions", -1, false],
    ],
  );
  assertBalanced(accounts);
  const refused = accounts.filter(({ deadLettered }) => deadLettered > 0);
  assert.deepEqual(
    refused.map(({ branch, deadLettered }) => [branch, deadLettered]),
    [["tills@1", 1]],
  );
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[2, 2]],
  );
});

test("what a step refuses before scoring has no prediction, and verify asks for none", async () => {
  const once = payments.dedupedBy("id", { within: "1m" });
  const shouted = once.select({
    id: "id",
    at: "at",
    shop: upper("shop"),
    note: upper("note"),
  });
  const busy = shouted
    .keyedBy("shop")
    .over("1h")
    .compute({ payments: agg.count() })
    .asFeatureView("busy@1", { ttl: "1d" })
    .into(online, offline);
  const scores = shouted
    .enrichedWith({ shop: busy.at("shop") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  // Of 400 and 64,000 bytes; as capitals three times as many.
  const [shop, note] = ["\u0390".repeat(200), "\u0390".repeat(32_000)];
  const { accounts, report, letters } = await runOver(topology("sizes", { scores, busy }), [
    { payment: makePayment("1", { shop }) },
    { payment: makePayment("1", { shop: "s" }) },
    { payment: makePayment("2", { note }) },
    { payment: makePayment("3") },
  ]);
  assert.deepEqual(letters.map(({ code, step }) => [code, step]).sort(), [
    ["KEY_OVERSIZE", "payments-by-id"],
    ["TEXT_OVERSIZE", "payments-by-id"],
  ]);
  for (const { in: read, processed, deadLettered, duplicates } of accounts) {
    assert.equal(read, processed + deadLettered + duplicates);
  }
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("where a closure fails on a record, behind a source and a step, verify asks for no prediction", async () => {
  const failsOn = (cursed: string) =>
    custom({
      ...{ name: "fails", version: 1 },
      test: ({ id }: { readonly id: string }) => {
        if (id === cursed) throw new Error("no answer");
        return true;
      },
    });
  const scores = payments
    .where(failsOn("1"))
    .dedupedBy("id", { within: "1m" })
    .where(failsOn("2"))
    .enrichedWith({ shop: shops.at("shop") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  const { report, letters } = await runOver(topology("sizes", { scores }), [
    { payment: makePayment("1") },
    { payment: makePayment("2") },
    { payment: makePayment("3") },
  ]);
  assert.deepEqual(letters.map(({ code, step }) => [code, step]).sort(), [
    ["CLOSURE_FAILED", "payments"],
    ["CLOSURE_FAILED", "payments-by-id"],
  ]);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("an id that comes again is predicted again, and is no record that was predicted twice", async () => {
  const { report } = await runOver(plan, [
    { payment: makePayment("1") },
    { payment: makePayment("1", { at: noon + 1 }) },
  ]);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("a trigger too large for the topic of its step has no prediction, and verify asks for none", async () => {
  const { report, letters } = await runOver(narrow(plan, { "sizes.predictions.inbox": 1_500 }), [
    { payment: makePayment("i".repeat(1_000)) },
    { payment: makePayment("3") },
  ]);
  assert.ok(letters.some(({ code }) => code === "DERIVED_OVERSIZE"));
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions: found }) => [expected, found]),
    [[1, 1]],
  );
});

test("a record too large for a dead letter leaves the first of its bytes", async () => {
  const source = plan.topics.find(({ role }) => role === "source")?.name ?? "";
  const header = { key: "h", value: Buffer.alloc(100) };
  const { accounts, report, letters } = await runOver(narrow(plan, { [source]: 20_000_000 }), [
    { payment: makePayment("1", { note: "x".repeat(9_000_000) }), headers: [header] },
    { payment: makePayment("2", { at: -1 }), headers: [{ key: "h", value: Buffer.alloc(6e6) }] },
    { payment: makePayment("3") },
  ]);
  const byCode = new Map(letters.map((letter) => [letter["code"], letter]));
  const large = byCode.get("RECORD_OVERSIZE");
  assert.ok(large);
  assert.equal((large["value"] as Buffer).length, 1_048_576);
  assert.match(String(large["reason"]), /of its 9000\d\d\d bytes the first/);
  assert.deepEqual(byCode.get("EVENT_TIME_MISSING")?.["headers"], []);
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
});
