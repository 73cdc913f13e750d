import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encode } from "../../schemas/encoding.ts";
import { murmur2 } from "../../schemas/murmur2.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { topologyDriver } from "../../testing/index.ts";
import { describe } from "./describe.ts";
import { hashed, oneHot } from "./encodings.ts";
import { offline, topic } from "./roles.ts";
import { prior } from "./scoring.ts";
import { from } from "./stream.ts";
import { topology } from "./topology.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly country: string | null;
  readonly shop: string;
  readonly amount: number;
}
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    { name: "paymentId", type: "string" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "country", type: ["null", "string"] },
    { name: "shop", type: "string" },
    { name: "amount", type: "double" },
  ],
});
const payments = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("paymentId");

function scored(country: ReturnType<typeof oneHot<"country", [string, ...string[]]>>) {
  const predictions = payments
    .enrichedWith(
      {},
      { missing: "null", request: { country, shop: hashed("shop", 3), amount: "amount" } },
    )
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.5) })
    .into(topic("payments.predictions"), offline);
  return topology("encoded", { predictions });
}

test("a vector has a number for each text and each bucket: other texts are 0, null is missing", async () => {
  const plan = scored(oneHot("country", ["DE", "FR"]));
  assert.match(describe(plan), /country_de = country is "DE"\n.*country_fr = country is "FR"/);
  assert.match(describe(plan), /shop_hash_2 = shop is in bucket 2 of 3/);
  const driver = topologyDriver(plan);
  const at = Date.UTC(2026, 0, 1);
  const countries = ["DE", "FR", "XX", null];
  for (const [n, country] of countries.entries()) {
    const value = { paymentId: `p${n}`, at: at + n, country, shop: "s", amount: 1 };
    driver.input("payments").send(value);
  }
  await driver.advanceTo(at + 60_000);
  const made = await driver.output("payments.predictions").drain();
  const vectors = new Map(made.map(({ key, value }) => [key, value["features"]]));
  const bucket = (murmur2(Buffer.from("s")) & 0x7fffffff) % 3;
  const shop = Object.fromEntries([0, 1, 2].map((n) => [`shop_hash_${n}`, Number(n === bucket)]));
  const vector = (de: number | null, fr: number | null) => {
    return { country_de: de, country_fr: fr, amount: 1, ...shop };
  };
  assert.deepEqual(vectors.get("p0"), vector(1, 0));
  assert.deepEqual(vectors.get("p1"), vector(0, 1));
  assert.deepEqual(vectors.get("p2"), vector(0, 0));
  assert.deepEqual(vectors.get("p3"), vector(null, null));
  await driver.close();
});

test("every text falls into one bucket, and null into none", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.integer({ min: 2, max: 256 }),
      (text, buckets) => {
        const numbers = Array.from({ length: buckets }, (_, bucket) =>
          encode({ kind: "hashed", buckets, bucket }, text),
        );
        assert.equal(
          numbers.reduce((sum, each) => sum + each, 0),
          1,
        );
        assert.ok(Number.isNaN(encode({ kind: "hashed", buckets, bucket: 0 }, null)));
      },
    ),
  );
});

test("texts that make no name, or the same one, and fields that are no text are named", () => {
  assert.throws(() => scored(oneHot("country", ["DE", "de"])), /differ in case alone/);
  for (const odd of ["South Tyrol", "Österreich", "", "x".repeat(41)]) {
    assert.throws(
      () => scored(oneHot("country", [odd])),
      /oneHot\(".*"\) needs texts of 1 to 40 of the letters a to z, digits and _/,
    );
  }
  const wrong = () =>
    payments.enrichedWith(
      {},
      // @ts-expect-error an amount is no text
      { missing: "null", request: { amount: oneHot("amount", ["1"]) } },
    );
  const predictions = wrong()
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.5) })
    .into(topic("payments.predictions"), offline);
  assert.throws(() => topology("wrong", { predictions }), /"amount" is no text field/);
});
