/** Explanations of a scoring step, from the record to predictions and the offline store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { gt } from "../topologies/dsl/conditions.ts";
import { describe } from "../topologies/dsl/describe.ts";
import { offline, topic } from "../topologies/dsl/roles.ts";
import { override } from "../topologies/dsl/rules.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { logisticRegression } from "../topologies/dsl/training.ts";
import { noModel } from "../topologies/dsl/triggers.ts";
import { drift } from "../topologies/dsl/watch.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly amount: number;
  readonly items: number;
  readonly hour: number;
}

const payments = from(
  "payments",
  recordSchema<Payment>({
    type: "record",
    name: "Payment",
    fields: [
      { name: "paymentId", type: "string" },
      { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
      { name: "amount", type: "double" },
      { name: "items", type: "double" },
      { name: "hour", type: "double" },
    ],
  }),
)
  .timedBy("at", { lateness: "5m" })
  .partitionedBy("paymentId");
const noon = Date.UTC(2026, 0, 1, 12);

const request = { amount: "amount", items: "items", hour: "hour" } as const;
const predictions = payments
  .enrichedWith({}, { missing: "null", request })
  .scoredBy("fraud", {
    ...{ model: "@champion", deadline: "20ms", fallback: prior(0.1) },
    rules: [override("huge", gt("amount", 900), 1)],
    explain: { top: 2 },
  })
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(payments, { on: "paymentId", within: "2h", label: gt("amount", 100) })
  .into(topic("judged"), offline);
const retraining = outcomes
  .watchedFor(drift.performance("auc", { over: "24h", floor: 0.3 }))
  .retrainedWhen(noModel({ labels: 2 }), { cooldown: "1h" })
  .trainedBy(logisticRegression({ seed: 1 }), { over: "4d", trainingTime: "1m" });

test("predictions tell the features that contributed most, and the rest, of what a model said", async () => {
  const plan = topology("cards", { predictions, outcomes, retraining }, { partitions: 1 });
  assert.match(describe(plan), /explains scores by up to 2 features/);
  const driver = topologyDriver(plan, {
    score: (_, [amount = 0]) => amount / 1_000,
    explain: (version, [amount = 0, hour = 0, items = 0]) => {
      if (amount === 13) throw new RangeError(`of ${version}: not asked for`);
      return { expected: -2, contributions: { amount, hour, items: -items } };
    },
    train: () => ({ promoted: true, version: "v1" }),
  });
  const input = driver.input("payments");
  const send = (id: string, at: number, values: Pick<Payment, "amount" | "items" | "hour">) =>
    input.send({ paymentId: id, at, ...values });
  // The fallback answers before there is a model.
  send("a", noon, { amount: 13, items: 1, hour: 1 });
  send("b", noon + 1, { amount: 13, items: 1, hour: 1 });
  await driver.advanceTo(noon + 3 * 3_600_000);
  const later = noon + 4 * 3_600_000;
  send("c", later, { amount: 3, items: 4, hour: 0.5 });
  send("d", later + 1, { amount: 950, items: 0, hour: 0 });
  send("e", later + 2, { amount: 2, items: 2, hour: -2 });
  await driver.advanceTo(later + 9 * 3_600_000);
  const made = new Map(
    (await driver.output("predicted").drain()).map(({ key, value }) => [key, value]),
  );
  assert.deepEqual([made.get("a")?.["version"], made.get("c")?.["version"]], [null, "v1"]);
  const [of, by] = ["margin", "hitrates"];
  const told = (id: string) => made.get(id)?.["explanation"];
  assert.equal(told("a"), null);
  assert.equal(made.get("a")?.["explanationReason"], "the fallback answered, which is no model");
  assert.deepEqual(plain(told("c")), {
    ...{ expected: -2, rest: 0.5, of, by },
    contributions: [
      { feature: "items", contribution: -4 },
      { feature: "amount", contribution: 3 },
    ],
  });
  // A rule says otherwise: what is explained is the score.
  assert.deepEqual([made.get("d")?.["probability"], made.get("d")?.["score"]], [1, 0.95]);
  assert.deepEqual(plain(told("d")), {
    ...{ expected: -2, rest: 0, of, by },
    contributions: [{ feature: "amount", contribution: 950 }],
  });
  // Of equal ones the first of the vector.
  assert.deepEqual(plain(told("e")), {
    ...{ expected: -2, rest: -2, of, by },
    contributions: [
      { feature: "amount", contribution: 2 },
      { feature: "hour", contribution: -2 },
    ],
  });
  for (const value of (await driver.output("judged").drain()).map((each) => each.value)) {
    assert.equal("explanation" in value, false, "outcomes tell what came about");
  }
  const rows = new Map(
    (await driver.offline("predictions")).map((row) => [row["payment_id"], row]),
  );
  const columns = (id: string) =>
    Object.entries(rows.get(id) ?? {}).filter(([name]) => name.startsWith("explanation_"));
  assert.deepEqual(columns("c"), [
    ["explanation_expected", -2],
    ["explanation_contributions", { items: -4, amount: 3 }],
    ["explanation_rest", 0.5],
    ["explanation_of", of],
    ["explanation_by", by],
    ["explanation_reason", null],
  ]);
  assert.deepEqual(
    columns("a").map(([, value]) => value),
    [null, {}, null, null, null, "the fallback answered, which is no model"],
  );
  await driver.close();
});

test("a step without explanations has neither their fields nor their columns, nor asks for any", () => {
  const unexplained = payments
    .enrichedWith({}, { missing: "null", request })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  const plan = (of: typeof unexplained) => JSON.stringify(topology("cards", { predictions: of }));
  assert.doesNotMatch(plan(unexplained), /expla/);
  assert.match(plan(predictions), /explanationReason/);
});

/** What Avro decoded, without its classes. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
