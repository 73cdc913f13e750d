import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encoderOf } from "../../schemas/encodings/encodings.ts";
import { hashed, oneHot } from "../../schemas/encodings/kinds.ts";
import { json } from "../../schemas/formats/kinds.ts";
import { types } from "../../schemas/formats/types.ts";
import { murmur2 } from "../../schemas/murmur2.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { topologyDriver } from "../../testing/index.ts";
import { describe } from "./describe.ts";
import { calendar } from "./enrichment.ts";
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

test("a boolean of the record is 1 or 0 in a vector, and missing where it is null", async () => {
  const bools = from(
    "payments",
    json({ id: types.text(), at: types.timestamp("ms"), is: types.nullable(types.boolean()) }),
  )
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .identifiedBy("id");
  const scores = bools
    .enrichedWith({}, { missing: "null", request: { isNew: "is" } })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.5) })
    .into(topic("scores"), offline);
  const driver = topologyDriver(topology("bools", { scores }));
  const at = Date.UTC(2026, 0, 1);
  for (const is of [true, false, null]) {
    driver.input("payments").send({ id: String(is), at, is });
  }
  await driver.advanceTo(at + 60_000);
  const made = await driver.output("scores").drain();
  assert.deepEqual(
    made.map(({ key, value }) => [key, (value["features"] as { is_new: number }).is_new]).sort(),
    [
      ["false", 0],
      ["null", null],
      ["true", 1],
    ],
  );
  await driver.close();
  const odd = bools
    // @ts-expect-error a boolean follows no calendar
    .enrichedWith({}, { missing: "null", request: { is: calendar("is") } })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.5) })
    .into(topic("scores"), offline);
  assert.throws(() => topology("bools", { odd }), /"is" is no numeric field of payments/);
});

test("a timestamp is no calendar feature, in whichever format: its milliseconds were one", () => {
  const ofJson = from("payments", json({ id: types.text(), at: types.timestamp("iso") }))
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("id")
    .identifiedBy("id");
  const options = { model: "@champion", deadline: "20ms", fallback: prior(0.5) } as const;
  const request = { weekday: calendar("at") };
  const all = [
    payments.enrichedWith({}, { missing: "null", request }).scoredBy("fraud", options),
    ofJson.enrichedWith({}, { missing: "null", request }).scoredBy("fraud", options),
  ];
  for (const each of all) {
    assert.throws(
      () => topology("instants", { scores: each.into(topic("scores"), offline) }),
      /request feature "weekday": calendar\("at"\) takes a number as it is, and "at" is an instant/,
    );
  }
});

test("every text falls into one bucket, and null into none", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme" }),
      fc.integer({ min: 2, max: 256 }),
      (text, buckets) => {
        const numbers = Array.from({ length: buckets }, (_, bucket) =>
          encoderOf({ kind: "hashed", buckets, bucket })(text),
        );
        assert.equal(
          numbers.reduce((sum, each) => sum + each, 0),
          1,
        );
        assert.ok(Number.isNaN(encoderOf({ kind: "hashed", buckets, bucket: 0 })(null)));
      },
    ),
  );
});

test("any text is a feature: one that is no name has its hash in it, and no two have one name", () => {
  const featuresOf = (...texts: [string, ...string[]]) =>
    oneHot("country", texts).encodings.map(({ suffix }) => suffix);
  assert.deepEqual(featuresOf("DE", "no_2"), ["de", "no_2"]);
  assert.deepEqual(featuresOf("South Tyrol"), ["south_tyrol_c6ef3875e8595517"]);
  const odd = [
    ...["", " ", "Österreich", "österreich", "日本", "\u0000", "a b", "a-b", "a_b", "x".repeat(41)],
    ...["DE", "de", "De", "FR", "south_tyrol_c6ef3875e8595517", "South Tyrol", "\u{1f600}"],
  ] as [string, ...string[]];
  const names = featuresOf(...odd);
  assert.equal(new Set(names).size, odd.length);
  for (const name of names) assert.match(name, /^[a-z0-9_]{1,40}$/);
  assert.equal(names[0], "text_e3b0c44298fc1c14");
  assert.match(names[10] ?? "", /^de_[0-9a-f]{16}$/);
  assert.deepEqual([names[8], names[13]], ["a_b", "fr"]);
  assert.match(
    describe(scored(oneHot("country", odd))),
    /country_text_e3b0c44298fc1c14 = .* is ""/,
  );
});

test("names of texts have no collision, and depend on no other text but those of other case", () => {
  const texts = fc.uniqueArray(fc.string({ unit: "grapheme", maxLength: 60 }), {
    minLength: 1,
    maxLength: 100,
  });
  fc.assert(
    fc.property(texts, (all) => {
      const [first = "", ...others] = all;
      const suffixes = oneHot("f", [first, ...others]).encodings.map(({ suffix }) => suffix);
      assert.equal(new Set(suffixes).size, all.length);
      const isAlone = others.every((each) => each.toLowerCase() !== first.toLowerCase());
      const [alone] = oneHot("f", [first]).encodings;
      if (isAlone) assert.equal(alone?.suffix, suffixes[0]);
    }),
  );
});

test("a text that comes twice, or is too long, and fields that are no text are named", () => {
  assert.throws(() => scored(oneHot("country", ["DE", "DE"])), /names a text twice/);
  const long = "x".repeat(1_001);
  assert.throws(() => scored(oneHot("country", [long])), /texts of 1000 characters at most/);
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
