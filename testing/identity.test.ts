import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly paymentId: string;
  readonly card: string;
  readonly at: number;
  readonly amount: number;
}

interface Dispute {
  readonly paymentId: string;
  readonly card: string;
  readonly at: number;
  readonly upheld: boolean;
}

const at = { name: "at", type: { type: "long", logicalType: "timestamp-millis" } } as const;
const names = [
  { name: "paymentId", type: "string" },
  { name: "card", type: "string" },
] as const;
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [...names, at, { name: "amount", type: "double" }],
});
const dispute = recordSchema<Dispute>({
  type: "record",
  name: "Dispute",
  fields: [...names, at, { name: "upheld", type: "boolean" }],
});

const cards = from("payments", payment).timedBy("at", { lateness: "1m" }).partitionedBy("card");
const payments = cards.identifiedBy("paymentId");
const disputes = from("disputes", dispute).timedBy("at", { lateness: "1m" }).partitionedBy("card");
const spending = cards
  .keyedBy("card")
  .over("1h")
  .compute({ payments: agg.count() })
  .asFeatureView("spending@1", { ttl: "1d" })
  .into(online, offline);
const predictions = payments
  .enrichedWith({ card: spending.at("card") }, { missing: "null" })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(disputes, { on: "paymentId", within: "1d", label: eq("upheld", true) })
  .into(topic("disputed"), offline);
const plan = topology("cards", { predictions, outcomes });

test("each payment of a card has a prediction and an outcome of its own, by its own id", async () => {
  const driver = topologyDriver(plan);
  const noon = Date.UTC(2026, 0, 1, 12);
  for (let i = 1; i <= 5; i++) {
    const sent: Payment = { paymentId: `p${i}`, card: "c1", at: noon + i * 1_000, amount: i };
    driver.input("payments").send(sent);
  }
  const upheld: Dispute = { paymentId: "p3", card: "c1", at: noon + 3_600_000, upheld: true };
  driver.input("disputes").send(upheld);
  await driver.advanceTo(noon + 7_200_000);

  const predicted = await driver.output("predicted").drain();
  const seen = predicted.map(({ key, value }) => [key, value["features"]] as const);
  assert.deepEqual(
    seen.sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
    [1, 2, 3, 4, 5].map((n) => [`p${n}`, { card_payments_1h: n - 1 }]),
  );
  const joined = await driver.output("disputed").drain();
  assert.deepEqual(
    joined.map(({ key, value }) => [key, value["label"]]),
    [["p3", true]],
  );
  const accounts = await driver.accounting();
  const counted = accounts.filter(({ branch }) => branch === "predictions");
  const sum = (of: "in" | "processed" | "filtered") =>
    counted.reduce((total, each) => total + each[of], 0);
  assert.deepEqual([sum("in"), sum("processed"), sum("filtered")], [5, 5, 0]);
  await driver.close();
});

test("a label with null labels nobody, not even what is called null", async () => {
  interface Refund {
    readonly refundId: string;
    readonly paymentId: string | null;
    readonly at: number;
    readonly upheld: boolean;
  }
  const refund = recordSchema<Refund>({
    type: "record",
    name: "Refund",
    fields: [
      ...[{ name: "refundId", type: "string" }, at],
      ...[{ name: "paymentId", type: ["null", "string"] }],
      { name: "upheld", type: "boolean" },
    ],
  });
  const refunds = from("refunds", refund)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("refundId");
  const refunded = predictions
    .labelledBy(refunds, { on: "paymentId", within: "1d", label: eq("upheld", true) })
    .into(topic("refunded"), offline);
  const driver = topologyDriver(topology("refunds", { predictions, refunded }));
  const noon = Date.UTC(2026, 0, 1, 12);
  for (const [i, paymentId] of ["null", "p1"].entries()) {
    driver.input("payments").send({ paymentId, card: "c1", at: noon + i, amount: 1 });
  }
  for (const [i, paymentId] of [null, "p1"].entries()) {
    const sent: Refund = { refundId: `r${i}`, paymentId, at: noon + 1_000 + i, upheld: true };
    driver.input("refunds").send(sent);
  }
  await driver.advanceTo(noon + 3_600_000);
  const joined = await driver.output("refunded").drain();
  assert.deepEqual(
    joined.map(({ key }) => key),
    ["p1"],
  );
  const accounts = await driver.accounting();
  const counted = accounts.filter(({ branch }) => branch === "refunded");
  const sum = (of: "in" | "processed" | "filtered") =>
    counted.reduce((total, each) => total + each[of], 0);
  assert.deepEqual([sum("in"), sum("processed"), sum("filtered")], [2, 1, 1]);
  await driver.close();
});

test("without an identity of their own records go by the field that partitions them", () => {
  const scores = cards
    .enrichedWith({ card: spending.at("card") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  const byCard = topology("cards", { scores });
  const ids = [byCard, plan].map(({ steps }) =>
    steps.flatMap(({ kind, spec }) => (kind === "scoring" ? [spec.keyField] : [])),
  );
  assert.deepEqual(ids, [["card"], ["paymentId"]]);
});
