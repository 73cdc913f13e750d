import assert from "node:assert/strict";
import { test } from "node:test";
import { json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { offline, online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

const payments = from(
  "payments",
  json({
    paymentId: types.integer(),
    paidAt: types.timestamp("iso"),
    amount: types.decimal(),
    customer: types.record({ address: types.record({ country: types.text() }) }),
  }),
)
  .timedBy("paidAt", { lateness: "30s" })
  .repartitionedBy("paymentId");

const sums = payments
  .keyedBy("customer.address.country")
  .over("1h")
  .compute({ payments: agg.count(), sum: agg.sum("amount"), ids: agg.distinct("paymentId") })
  .asFeatureView("by_country@1", { ttl: "2h" })
  .into(online, offline);

test("JSON with nested fields, long ids and foreign keys flows into features; the rest is named", async () => {
  const driver = topologyDriver(topology("spendings", { sums }, { partitions: 3 }));
  const at = Date.UTC(2001, 0, 1);
  const input = driver.input("payments");
  const text = (id: string, amount: string) =>
    Buffer.from(
      `{"paymentId":${id},"paidAt":"2001-01-01T02:00:00+02:00","amount":${amount},` +
        '"customer":{"address":{"country":"NZ"}}}',
    );
  // Next to each other they are one double.
  input.send(text("9007199254740992", '"12.50"'), { key: null, timestamp: at });
  input.send(text("9007199254740993", "7.5"), { key: "any", partition: 2, timestamp: at });
  input.send({
    paymentId: 3,
    paidAt: at,
    amount: 1,
    customer: { address: { country: "NZ" } },
  });
  input.send(text("4", "NaN"), { key: null, timestamp: at });
  await driver.advanceTo(at + 60_000);
  const { features } = await driver.online("by_country@1", "NZ", at + 1);
  assert.deepEqual(features, { payments_1h: 3, sum_1h: 21, ids_1h: 3 });
  const dead = await driver.output("spendings.dead-letters").drain();
  assert.deepEqual(
    dead.map(({ value }) => [value["code"], value["reason"]]),
    [
      [
        "MALFORMED_JSON",
        'field "amount": it is no JSON: "NaN,\\"custome" stands at byte 61, not a value',
      ],
    ],
  );
  await driver.close();
});
