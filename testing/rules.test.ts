/** Rules and ranges of a scoring step, from the record to predictions, outcomes and views. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq, gt, lt } from "../topologies/dsl/conditions.ts";
import { offline, topic } from "../topologies/dsl/roles.ts";
import { blockList, override, threshold } from "../topologies/dsl/rules.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly version: string;
  readonly amount: number | null;
}

const payments = from(
  "payments",
  recordSchema<Payment>({
    type: "record",
    name: "Payment",
    fields: [
      { name: "paymentId", type: "string" },
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
      { name: "version", type: "string" },
      { name: "amount", type: ["null", "double"] },
    ],
  }),
)
  .timedBy("at", { lateness: "5m" })
  .partitionedBy("paymentId");
const predictions = payments
  .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
  .scoredBy("fraud", {
    ...{ model: "@champion", deadline: "20ms", fallback: prior(0.1) },
    ranges: { amount: { min: 0, max: 500, outside: "refuse" } },
    rules: [
      // A field of the record that a field of predictions has the name of.
      blockList("old", "version", ["1", "2"], 0.8),
      override("tiny", lt("features.amount", 1), 0),
      threshold("large", 0.05, gt("amount", 100)),
      threshold("all", 0.5),
    ],
  })
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(payments, { on: "paymentId", within: "2h", label: gt("amount", 100) })
  .into(topic("judged"), offline);
const chances = predictions
  .where(eq("rule", "old"))
  .keyedBy("model")
  .over("1h")
  .compute({ n: agg.count(), score: agg.max("score"), said: agg.max("probability") })
  .asFeatureView("chances@1", { ttl: "1d" })
  .into(offline);
const noon = Date.UTC(2026, 0, 1, 12);

test("predictions and outcomes have the answer after the rules, with the score and who decided", async () => {
  const driver = topologyDriver(topology("cards", { predictions, outcomes, chances }));
  const given: readonly (readonly [string, number | null, readonly unknown[]])[] = [
    ["1", 50, [0.8, 0.1, "old", true, "all", null, "no model"]],
    ["3", 0.5, [0, 0.1, "tiny", false, "all", null, "no model"]],
    ["3", 200, [0.1, 0.1, null, true, "large", null, "no model"]],
    ["3", null, [0.1, 0.1, null, false, "all", null, "no model"]],
    ["2", 900, [0.8, 0.1, "old", true, "large", "amount", "out of range"]],
  ];
  for (const [i, [version, amount]] of given.entries()) {
    driver.input("payments").send({ paymentId: `p${i}`, at: noon + i, version, amount });
  }
  await driver.advanceTo(noon + 5 * 3_600_000);
  const toldBy = (value: Readonly<Record<string, unknown>>) =>
    ["probability", "score", "rule", "decision", "decidedBy", "flags", "fallbackReason"]
      .filter((name) => name in value)
      .map((name) => value[name]);
  const read = async (of: string) => {
    const values = (await driver.output(of).drain()).map(({ value }) => value);
    return values.sort((a, b) => (String(a["paymentId"]) < String(b["paymentId"]) ? -1 : 1));
  };
  const predicted = await read("predicted");
  assert.deepEqual(
    predicted.map(toldBy),
    given.map(([, , told]) => told),
  );
  assert.deepEqual(
    predicted.map((value) => value["version"]),
    [null, null, null, null, null],
  );
  const judged = await read("judged");
  assert.deepEqual(
    judged.map(toldBy),
    given.map(([, , told]) => told.slice(0, 6)),
  );
  const last = (await driver.offline("chances@1")).find((row) => row["n_1h"] === 2);
  assert.deepEqual([last?.["score_1h"], last?.["said_1h"]], [0.1, 0.8]);
  await driver.close();
});
