/** Too large for a step behind their source, and too little room for what every step derives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { custom, eq } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { upper } from "../topologies/dsl/select.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { logisticRegression } from "../topologies/dsl/training.ts";
import { noModel } from "../topologies/dsl/triggers.ts";
import { drift } from "../topologies/dsl/watch.ts";
import {
  assertBalanced,
  makePayment,
  narrow,
  noon,
  payments,
  runOver,
} from "./oversize-fixture.ts";

interface Order {
  readonly id: string;
  readonly amount: number;
  readonly tags: readonly string[];
  readonly at: number;
}
const order = recordSchema<Order>({
  type: "record",
  name: "Order",
  fields: [
    { name: "id", type: "string" },
    { name: "amount", type: "double" },
    { name: "tags", type: { type: "array", items: "string" } },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  ],
});
const model = { model: "@champion", deadline: "20ms", fallback: prior(0.1) } as const;

test("a record whose list outgrows the inbox of the next step is a dead letter, and verify knows it", async () => {
  const orders = from("payments", order)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .identifiedBy("id")
    .dedupedBy("id", { within: "1m" });
  const scores = orders
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", model)
    .into(topic("predicted"), offline);
  // 400,000 bytes of Avro: each text is longer where it is passed on.
  const makeOrder = (id: string, tags: number) =>
    ({ id, amount: 1, at: noon, tags: new Array<string>(tags).fill("") }) satisfies Order;
  const { accounts, report, letters } = await runOver(
    topology("sizes", { scores }),
    [{ payment: makeOrder("1", 400_000) }, { payment: makeOrder("2", 4) }],
    order,
  );
  assert.deepEqual(
    letters.map(({ code, step, topic }) => [code, step, topic]),
    [["DERIVED_OVERSIZE", "payments", "sizes.payments-by-id.inbox"]],
  );
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
  assert.deepEqual(
    report.scorings.map(({ expected, predictions }) => [expected, predictions]),
    [[1, 1]],
  );
});

test("what a source refuses in one branch has its prediction in no other way, and verify knows it", async () => {
  const shouted = payments.select({ id: "id", at: "at", shop: upper("shop") });
  const busy = shouted
    .keyedBy("shop")
    .over("1h")
    .compute({ payments: agg.count() })
    .asFeatureView("busy@1", { ttl: "1d" })
    .into(online, offline);
  const scores = shouted
    .enrichedWith({ shop: busy.at("shop") }, { missing: "null" })
    .scoredBy("fraud", model)
    .into(topic("predicted"), offline);
  const { accounts, report, letters } = await runOver(topology("sizes", { scores, busy }), [
    { payment: makePayment("1", { shop: "\u0390".repeat(200) }) },
    { payment: makePayment("2") },
  ]);
  assert.deepEqual(
    letters.map(({ code, step }) => [code, step]),
    [["KEY_OVERSIZE", "payments"]],
  );
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
});

const once = payments
  .dedupedBy("id", { within: "1m" })
  .where(custom({ name: "any", version: 1, test: () => true }))
  .select({ id: "id", at: "at", shop: "shop", till: "till" });
const shops = once
  .keyedBy("shop")
  .over("1h")
  .compute({ payments: agg.count(), till: agg.last("till") })
  .asFeatureView("shops@1", { ttl: "1d" })
  .into(online, offline);
const predictions = once
  .enrichedWith({ shop: shops.at("shop") }, { missing: "null" })
  .scoredBy("fraud", model)
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(payments, { on: "id", within: "10m", label: eq("till", "t") })
  .into(topic("told"), offline);
const features = (stream: typeof predictions | typeof outcomes, name: `${string}@1`) =>
  (stream as typeof predictions)
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView(name, { ttl: "1d" })
    .into(online, offline);
const retraining = outcomes
  .watchedFor(drift.features({ over: "1h" }))
  .retrainedWhen(noModel({ labels: 1 }), { cooldown: "1h" })
  .trainedBy(logisticRegression({ seed: 1 }), { over: "1d", trainingTime: "1h" });
const plan = topology("sizes", {
  ...{ shops, predictions, outcomes, retraining },
  scored: features(predictions, "scored@1"),
  judged: features(outcomes, "judged@1"),
});

const long = (letter: string) => letter.repeat(1_000);
const sent = [
  { payment: makePayment(long("i"), { shop: long("s"), till: long("t") }) },
  { payment: makePayment("2") },
  { payment: makePayment("3", { till: "u" }) },
];
/** What fits beside the framing: all but what holds a key of 1,000 bytes, or nothing at all. */
const rooms = { "for short keys": 1_188 + 600, "for nothing": 1_000 };
/** Look-ups hold keys alone, which any inbox takes. */
const answers = "sizes.shops.v1.inbox";
/** What the gateway predicts on request: no step derives it. */
const served = "sizes.predictions.served";
const derived = plan.topics.filter(
  ({ name, role }) =>
    ["inbox", "rows", "output", "models"].includes(role) && name !== answers && name !== served,
);

test("with room for all, nothing is refused", async () => {
  const { accounts, report, letters } = await runOver(plan, sent);
  assert.deepEqual(letters, []);
  assertBalanced(accounts);
  assert.deepEqual(report.problems, []);
  assert.ok(derived.length >= 12, `${derived.length} topics`);
});

for (const { name } of derived) {
  test(`what is too large for ${name} is a dead letter of the step that derived it`, async () => {
    const found: number[] = [];
    for (const bytes of Object.values(rooms)) {
      const { accounts, report, letters } = await runOver(narrow(plan, { [name]: bytes }), sent);
      assert.ok(letters.every(({ code, topic }) => code === "DERIVED_OVERSIZE" && topic === name));
      assertBalanced(accounts);
      assert.deepEqual(report.problems, []);
      found.push(letters.length);
    }
    const [some = 0, all = 0] = found;
    // There is no drift without a model, and no key in what is said of trainings.
    assert.ok(all >= some && (all > 0 || name === "sizes.drift"), `${found}`);
  });
}
