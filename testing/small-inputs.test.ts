/** Small inputs, each with what must come of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedBroker } from "../broker/embedded/embedded-broker.ts";
import { Worker } from "../runtime/engine/worker.ts";
import { AvroEncoder } from "../runtime/schema-registry/avro-codec.ts";
import { createMemoryRegistry } from "../runtime/schema-registry/embedded.ts";
import { ByteWriter } from "../schemas/bytes.ts";
import { partitionOf } from "../schemas/murmur2.ts";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq, field, gt } from "../topologies/dsl/conditions.ts";
import { online } from "../topologies/dsl/roles.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { send } from "./driver-topics.ts";
import { topologyDriver } from "./topology-driver.ts";

const noon = Date.UTC(2026, 0, 1, 12);
const millis = { type: "long", logicalType: "timestamp-millis" } as const;

interface Amount {
  readonly id: string;
  readonly at: number;
  readonly amount: number;
}

const amount = recordSchema<Amount>({
  type: "record",
  name: "Amount",
  fields: [
    { name: "id", type: "string" },
    { name: "at", type: millis },
    { name: "amount", type: "double" },
  ],
});

test("a share leaves out NaN, and compares infinities as numbers", async () => {
  const large = from("amounts", amount)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .keyedBy("id")
    .over("1h")
    .compute({ large: agg.share(gt("amount", 500)) })
    .asFeatureView("large@1", { ttl: "1d" })
    .into(online);
  for (const [other, share] of [
    [Number.NaN, 1],
    [Number.POSITIVE_INFINITY, 1],
    [Number.NEGATIVE_INFINITY, 0.5],
    [500, 0.5],
  ] as const) {
    const driver = topologyDriver(topology("amounts_of", { large }));
    const first: Amount = { id: "a", at: noon, amount: 600 };
    driver.input("amounts").send(first);
    driver.input("amounts").send({ ...first, at: noon + 1, amount: other });
    await driver.advanceTo(noon + 60_000);
    const { features } = await driver.online("large@1", "a", noon + 2);
    assert.deepEqual(features, { large_1h: share }, String(other));
    await driver.close();
  }
});

interface Payment {
  readonly paymentId: number;
  readonly paidAt: number;
  readonly status: "paid" | "declined";
  readonly price: number;
  readonly customer: { readonly country: string; readonly home: string };
}

const decimal = { type: "bytes", logicalType: "decimal", precision: 9, scale: 2 } as const;
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "paymentId", type: "long" },
    { name: "paidAt", type: { type: "long", logicalType: "timestamp-micros" } },
    { name: "status", type: { type: "enum", name: "Status", symbols: ["paid", "declined"] } },
    { name: "price", type: decimal },
    {
      name: "customer",
      type: {
        type: "record",
        name: "Customer",
        fields: [
          { name: "country", type: "string" },
          { name: "home", type: "string" },
        ],
      },
    },
  ],
});

test("enumerations, records within records, decimals, microseconds and records without a key are taken exactly", async () => {
  const byCountry = from("payments", payment)
    .timedBy("paidAt", { lateness: "1m" })
    .repartitionedBy("paymentId")
    .keyedBy("customer.country")
    .over("1h")
    .compute({
      n: agg.count(),
      declined: agg.share(eq("status", "declined")),
      athome: agg.share(eq("customer.country", field("customer.home"))),
      sum: agg.sum("price"),
      ids: agg.distinct("paymentId"),
    })
    .asFeatureView("country@1", { ttl: "1d" })
    .into(online);
  const driver = topologyDriver(topology("kinds", { byCountry }));
  const input = driver.input("payments");
  const one: Payment = {
    paymentId: 1,
    paidAt: noon,
    status: "paid",
    price: 1_234_567.89,
    customer: { country: "NZ", home: "NZ" },
  };
  input.send(one, { key: null });
  const away = { country: "NZ", home: "DE" };
  input.send(
    { ...one, paymentId: 2, status: "declined", price: -0.01, customer: away },
    { key: null },
  );
  await driver.advanceTo(noon + 60_000);
  assert.deepEqual(await driver.output("kinds.dead-letters").drain(), []);
  const { features, asOf } = await driver.online("country@1", "NZ", noon + 2);
  assert.deepEqual(features, {
    n_1h: 2,
    declined_1h: 0.5,
    athome_1h: 0.5,
    sum_1h: 1_234_567.88,
    ids_1h: 2,
  });
  assert.equal(asOf, noon);
  await driver.close();
});

test("a topology that reads four of six fields leaves the subject its one version", async () => {
  const more = [
    { name: "shop", type: "string" },
    { name: "till", type: "string" },
    { name: "note", type: "string" },
  ] as const;
  const whole = { ...amount, fields: [...amount.fields, ...more] };
  const four = recordSchema<Amount & { readonly shop: string }>({
    ...amount,
    fields: [...amount.fields, more[0]],
  });
  const shops = from("amounts", four)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .keyedBy("shop")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("shops@1", { ttl: "1d" })
    .into(online);
  const plan = topology("four_of_six", { shops });
  const broker = await openEmbeddedBroker({ directory: null });
  await broker.createTopics(plan.topics);
  const registry = createMemoryRegistry();
  const id = await registry.register("amounts-value", whole);
  const producer = await broker.producer({ transactionalId: null });
  const value = new ByteWriter();
  const sent = { id: "a", at: noon, amount: 1, shop: "s", till: "t", note: "n" };
  new AvroEncoder(whole, id).encode(sent, value);
  await send(producer, "amounts", partitionOf("a", plan.partitions), "a", value.take(), noon);
  const worker = await Worker.start({
    plan,
    broker,
    registry,
    mode: { kind: "replay" },
    instanceId: "0",
    execute: () => Promise.reject(new Error("nothing is scored")),
    commitIntervalMs: 0,
    idleWaitMs: 0,
  });
  await worker.run(new AbortController().signal, () => true);
  const counted = worker.tasks.flatMap(({ counters }) => counters.get("shops@1") ?? []);
  assert.equal(
    counted.reduce((sum, each) => sum + each.in, 0),
    1,
  );
  assert.equal((await registry.latest("amounts-value"))?.id, id);
  await worker.close();
  await broker.close();
});
