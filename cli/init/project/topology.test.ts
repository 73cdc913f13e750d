import assert from "node:assert/strict";
import { test } from "node:test";
import { topologyDriver } from "millrace/testing";
import { samplePayments } from "./sample-payments.ts";
import type { Payment } from "./schemas/generated.ts";
import { shop } from "./topology.ts";

const noon = Date.UTC(2026, 0, 5, 12);
const minute = 60_000;

test("a payment counts in a window until the window has passed over it", async () => {
  const driver = topologyDriver(shop);
  const send = (payment: Payment) => driver.input("payments").send(payment);
  send({ paymentId: "a", paidAt: noon, card: "4711", amount: 20 });
  send({ paymentId: "b", paidAt: noon + 5 * minute, card: "4711", amount: 120 });
  send({ paymentId: "c", paidAt: noon + 5 * minute, card: "0815", amount: 3 });
  await driver.advanceTo(noon + 6 * minute);

  const both = await driver.online("card_spending@1", "4711");
  assert.equal(both.freshness, "FRESH");
  assert.equal(both.features["payments_10m"], 2);
  assert.equal(both.features["amount_sum_10m"], 140);
  assert.equal(both.features["large_share_10m"], 0.5);

  await driver.advanceTo(noon + 12 * minute);
  const later = await driver.online("card_spending@1", "4711");
  assert.equal(later.features["payments_10m"], 1);
  assert.equal(later.features["payments_1h"], 2);
  await driver.close();
});

test("every sample is counted, none is late or refused", async () => {
  const driver = topologyDriver(shop);
  for (const payment of samplePayments) driver.input("payments").send(payment);
  await driver.advanceTo(noon);
  const accounts = await driver.accounting();
  const processed = accounts.reduce((sum, account) => sum + account.processed, 0);
  assert.equal(processed, samplePayments.length);
  await driver.close();
});
