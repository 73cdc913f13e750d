import assert from "node:assert/strict";
import { test } from "node:test";
import { topologyDriver } from "millrace/testing";
import type { Payment, Report } from "./schemas/generated.ts";
import { shop } from "./topology.ts";

const noon = Date.UTC(2026, 0, 5, 12);
const minute = 60_000;
const hour = 60 * minute;

test("a payment is scored with what was known before it, and labelled by its report", async () => {
  const driver = topologyDriver(shop);
  const pay = (payment: Payment) => driver.input("payments").send(payment);
  const say = (report: Report) => driver.input("reports").send(report);
  pay({ paymentId: "a", paidAt: noon, card: "4711", amount: 20 });
  pay({ paymentId: "b", paidAt: noon + 5 * minute, card: "4711", amount: 120 });
  say({ paymentId: "b", reportedAt: noon + 6 * hour, fraud: true });
  await driver.advanceTo(noon + 7 * hour);

  const predictions = await driver.output("payments.predictions").drain();
  const second = predictions.find(({ key }) => key === "b");
  const features = second?.value["features"] as Readonly<Record<string, number | null>>;
  assert.equal(features["card_payments_1h"], 1);
  assert.equal(features["card_largest_1h"], 20);
  assert.equal(features["amount"], 120);
  // No model yet: the fallback answers.
  assert.equal(second?.value["probability"], 0.02);

  const outcomes = await driver.output("payments.outcomes").drain();
  assert.deepEqual(
    outcomes.map(({ key, value }) => [key, value["label"]]),
    [["b", true]],
  );
  await driver.close();
});
