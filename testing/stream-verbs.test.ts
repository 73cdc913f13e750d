import assert from "node:assert/strict";
import { test } from "node:test";
import { recordSchema } from "../schemas/record-schema.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { eq, field, gt, neq } from "../topologies/dsl/conditions.ts";
import { describe } from "../topologies/dsl/describe.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { upper } from "../topologies/dsl/select.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { topologyDriver } from "./topology-driver.ts";

interface Payment {
  readonly paymentId: string;
  readonly at: number;
  readonly amount: number;
  readonly country: string;
  readonly home: string | null;
}

interface Dispute {
  readonly paymentId: string;
  readonly at: number;
  readonly upheld: boolean;
  readonly test: boolean;
}

const at = { name: "at", type: { type: "long", logicalType: "timestamp-millis" } } as const;
const paymentId = { name: "paymentId", type: "string" } as const;
const payment = recordSchema<Payment>({
  type: "record",
  name: "Payment",
  fields: [
    paymentId,
    at,
    { name: "amount", type: "double" },
    { name: "country", type: "string" },
    { name: "home", type: ["null", "string"] },
  ],
});
const dispute = recordSchema<Dispute>({
  type: "record",
  name: "Dispute",
  fields: [paymentId, at, { name: "upheld", type: "boolean" }, { name: "test", type: "boolean" }],
});

const payments = from("payments", payment)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("paymentId")
  .where(gt("amount", 0))
  .select({
    id: "paymentId",
    sum: "amount",
    country: upper("country"),
    abroad: neq(field("country"), field("home")),
  });
const disputes = from("disputes", dispute)
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("paymentId")
  .where(eq("test", false));
const byCountry = payments
  .keyedBy("country")
  .over("1h")
  .compute({ sum: agg.sum("sum"), abroad: agg.share(eq("abroad", true)) })
  .asFeatureView("by_country@1", { ttl: "1d" })
  .into(online, offline);
const predictions = payments
  .enrichedWith({ here: byCountry.at("country") }, { missing: "null", request: { sum: "sum" } })
  .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
  .into(topic("predicted"), offline);
const outcomes = predictions
  .labelledBy(disputes, { on: "paymentId", within: "1d", label: eq("upheld", true) })
  .into(topic("disputed"), offline);
const plan = topology("chosen", { predictions, outcomes });
const noon = Date.UTC(2026, 0, 1, 12);

test("what where leaves out updates, scores and labels nothing, and is counted apart", async () => {
  const driver = topologyDriver(plan);
  const sent: readonly (readonly [number, string, string | null])[] = [
    [5, "de", "de"],
    [0, "de", "fr"],
    [7, "De", null],
    [-1, "fr", "fr"],
    [9, "dE", "fr"],
  ];
  sent.forEach(([amount, country, home], i) => {
    const value: Payment = { paymentId: `p${i}`, at: noon + i * 1_000, amount, country, home };
    driver.input("payments").send(value);
  });
  for (const [id, isTest] of [
    ["p2", true],
    ["p0", false],
  ] as const) {
    const value: Dispute = { paymentId: id, at: noon + 600_000, upheld: true, test: isTest };
    driver.input("disputes").send(value);
  }
  await driver.advanceTo(noon + 1_200_000);

  const row = await driver.online("by_country@1", "DE");
  // The second is abroad or not, nobody knows.
  assert.deepEqual(row.features, { sum_1h: 21, abroad_1h: 0.5 });
  const scored = await driver.output("predicted").drain();
  const features = scored.map(({ value }) => [value["id"], value["features"]]);
  assert.deepEqual(features.sort(), [
    ["p0", { here_sum_1h: null, here_abroad_1h: null, sum: 5 }],
    ["p2", { here_sum_1h: 5, here_abroad_1h: 0, sum: 7 }],
    ["p4", { here_sum_1h: 12, here_abroad_1h: 0, sum: 9 }],
  ]);
  const labelled = await driver.output("disputed").drain();
  assert.deepEqual(
    labelled.map(({ key }) => key),
    ["p0"],
  );
  const accounts = await driver.accounting();
  for (const [branch, ...expected] of [
    ["by_country@1", 5, 3, 2],
    ["predictions", 5, 3, 2],
    ["outcomes", 2, 1, 1],
  ] as const) {
    const own = accounts.filter((each) => each.branch === branch);
    const sum = (of: "in" | "processed" | "excluded") => own.reduce((all, one) => all + one[of], 0);
    assert.deepEqual([sum("in"), sum("processed"), sum("excluded")], expected, branch);
  }
  await driver.close();
});

test("a plan says what its streams go through, and keeps tasks together by a renamed id", () => {
  const text = describe(plan);
  for (const line of [
    "where amount > 0",
    "select id = paymentId, sum = amount, country = upper(country), abroad = country ≠ home",
    "where test = false",
  ]) {
    assert.ok(text.includes(`\n  ${line}\n`), line);
  }
  const scoring = plan.subtopologies.find(({ name }) => name === "predictions");
  assert.deepEqual(
    scoring?.inputs.map(({ name, channels }) => `${name} ${channels}`),
    ["answers:by_country@1 all", "triggers same", "labels same"],
  );
});

test("a stream is held to the fields that come to each of its verbs", () => {
  const wrong = (value: string): never => value as never;
  const chosen = from("payments", payment)
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("paymentId")
    .where(eq("country", "home"))
    .select({ amount: "amount", shop: wrong("shop") })
    .where(wrong(gt("sum", 1) as never));
  const scores = chosen
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"));
  assert.throws(
    () => topology("t", { scores }),
    ({ context }) => {
      const problems = String(context.problems);
      assert.match(problems, /stream of "payments": eq\("country", "home"\) compares with a text/);
      assert.match(problems, /stream of "payments": select\(\) takes "shop"/);
      assert.match(problems, /stream of "payments": gt\("sum", …\): payments has no such field/);
      assert.match(problems, /step "scores": select\(\) left out the field that tells/);
      return true;
    },
  );
});

test("what of a step's record outgrows a key is a dead letter, and its other readers have theirs", async () => {
  const all = from("payments", payment)
    .timedBy("at", { lateness: "5m" })
    .repartitionedBy("paymentId")
    .dedupedBy("paymentId", { within: "1m" });
  const count = { payments: agg.count() };
  const shouted = all
    .select({ paymentId: "paymentId", country: upper("country") })
    .keyedBy("country")
    .over("1h")
    .compute(count)
    .asFeatureView("shouted@1", { ttl: "1d" })
    .into(online);
  const spent = all
    .keyedBy("paymentId")
    .over("1h")
    .compute(count)
    .asFeatureView("spent@1", { ttl: "1d" })
    .into(online);
  const driver = topologyDriver(topology("grown", { shouted, spent }));
  // Of 400 bytes, and 1,200 as capitals.
  const country = "\u0390".repeat(200);
  const fields = { amount: 1, home: null };
  driver.input("payments").send({ ...fields, paymentId: "a", at: noon, country: "de" });
  driver.input("payments").send({ ...fields, paymentId: "b", at: noon + 1, country });
  await driver.advanceTo(noon + 1_200_000);
  assert.deepEqual((await driver.online("shouted@1", "DE")).features, { payments_1h: 1 });
  assert.deepEqual((await driver.online("spent@1", "b")).features, { payments_1h: 1 });
  const letters = await driver.output("grown.dead-letters").drain();
  assert.deepEqual(
    letters.map(({ value: { code, step, topic: to, offset } }) => [code, step, to, offset]),
    [["KEY_OVERSIZE", "payments-by-paymentId", "grown.shouted.v1.inbox", -1]],
  );
  for (const { value } of letters) {
    assert.equal((value["key"] as Buffer).length, 1_024);
    const kept = JSON.parse(String(value["value"]));
    assert.deepEqual(kept, { paymentId: "b", country: country.toUpperCase() });
  }
  const accounts = await driver.accounting();
  for (const [branch, ...expected] of [
    ["shouted@1", 2, 1, 1],
    ["spent@1", 2, 2, 0],
  ] as const) {
    const own = accounts.filter((each) => each.branch === branch);
    const sum = (of: "in" | "processed" | "deadLettered") =>
      own.reduce((total, each) => total + each[of], 0);
    assert.deepEqual([sum("in"), sum("processed"), sum("deadLettered")], expected, branch);
  }
  await driver.close();
});

test("a payment that is sent again within the time is scored once, and counted as a duplicate", async () => {
  const all = from("payments", payment)
    .timedBy("at", { lateness: "5m" })
    .repartitionedBy("paymentId")
    .dedupedBy("paymentId", { within: "1m" });
  const rich = all.where(gt("amount", 1));
  const scores = rich
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("scores"), offline);
  const spent = all
    .keyedBy("country")
    .over("1h")
    .compute({ payments: agg.count() })
    .asFeatureView("spent@1", { ttl: "1d" })
    .into(online);
  const deduped = topology("deduped", { scores, spent });
  assert.match(
    describe(deduped),
    /\ndedup payments-by-paymentId\n {2}of payments by paymentId\n {2}within 1m, lateness 5m\n/,
  );
  const driver = topologyDriver(deduped);
  const sent = [
    ["a", 0, 5],
    ["b", 1_000, 1],
    ["a", 60_000, 6],
    ["a", 60_001, 7],
    ["b", -59_000, 8],
    ["b", -59_001, 9],
  ] as const;
  for (const [i, [id, after, amount]] of sent.entries()) {
    const value: Payment = { paymentId: id, at: noon + after, amount, country: "DE", home: null };
    // All in one partition, so that their order is that in which they are sent.
    driver.input("payments").send(value, { key: String(i), partition: 2 });
  }
  await driver.advanceTo(noon + 1_200_000);
  const scored = await driver.output("scores").drain();
  assert.deepEqual(
    scored.map(({ key, value }) => [key, value["features"], value["sourcePartition"]]).sort(),
    [
      ["a", { amount: 5 }, 2],
      ["a", { amount: 7 }, 2],
      ["b", { amount: 9 }, 2],
    ],
  );
  assert.deepEqual((await driver.online("spent@1", "DE")).features, { payments_1h: 4 });
  const accounts = await driver.accounting();
  const of = (branch: string) => {
    const own = accounts.filter((each) => each.branch === branch);
    const sum = (what: "in" | "processed" | "excluded" | "duplicates") =>
      own.reduce((total, each) => total + each[what], 0);
    return [own[0]?.source, sum("in"), sum("processed"), sum("excluded"), sum("duplicates")];
  };
  assert.deepEqual(of("payments-by-paymentId"), ["payments", 6, 4, 0, 2]);
  assert.deepEqual(of("scores"), ["payments-by-paymentId", 4, 3, 1, 0]);
  assert.deepEqual(of("spent@1"), ["payments-by-paymentId", 4, 4, 0, 0]);
  await driver.close();
});
