/**
 * What a start with another plan means, part by part.
 *
 * Why long: one small topology, and a pair of it for every kind of change.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { viewId } from "../../schemas/feature-view.ts";
import { json } from "../../schemas/formats/json/json-format.ts";
import { type TimestampUnit, types } from "../../schemas/formats/types.ts";
import type { Plan } from "../../schemas/plan.ts";
import { isRefused, planChanges, verdictOf } from "../../schemas/plan-changes.ts";
import { viewsOf } from "../../schemas/plan-facts.ts";
import { partsOf, stateFingerprint } from "../../schemas/plan-parts.ts";
import { canBeStrand } from "../../schemas/plan-strands.ts";
import { recordSchema } from "../../schemas/record-schema.ts";
import { agg } from "./aggregates.ts";
import { gt } from "./conditions.ts";
import { offline, online, topic } from "./roles.ts";
import { blockList, override, type Range, type Rule, threshold } from "./rules.ts";
import { prior } from "./scoring.ts";
import { from } from "./stream.ts";
import { topology } from "./topology.ts";

interface Order {
  readonly orderId: string;
  readonly at: number;
  readonly shop: string;
  readonly amount: number;
}
const fields = [
  { name: "orderId", type: "string" },
  { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
  { name: "shop", type: "string" },
  { name: "amount", type: "double" },
];
const order = recordSchema<Order>({ type: "record", name: "Order", fields });
const wider = recordSchema<Order & { readonly note: string }>({
  type: "record",
  name: "Order",
  fields: [...fields, { name: "note", type: "string" }],
});

const source = (lateness: "1m" | "2m" = "1m", schema = order) =>
  from("orders", schema).timedBy("at", { lateness }).partitionedBy("orderId");
const counts = { n: agg.count() };
const view = (id = "shop@1", of = source()) =>
  of
    .keyedBy("shop")
    .over("1h")
    .compute(counts)
    .asFeatureView(id as "shop@1", { ttl: "2d" })
    .into(online, offline);
const shop = view();
const before = topology("t", { shop }, { partitions: 2 });
const orders = () => source().keyedBy("shop");

const cases: Readonly<Record<string, readonly [Plan, string, RegExp]>> = {
  "the same": [topology("t", { shop: view() }, { partitions: 2 }), "same", /^$/],
  "another ttl and another store": [
    topology(
      "t",
      {
        shop: orders()
          .over("1h")
          .compute(counts)
          .asFeatureView("shop@1", { ttl: "5d" })
          .into(offline),
      },
      { partitions: 2 },
    ),
    "safe",
    /^safe view shop@1: stores \["online","offline"\] → .*; ttlMs 172800000 → 432000000$/,
  ],
  "a field more in the contract": [
    topology("t", { shop: view("shop@1", source("1m", wider)) }, { partitions: 2 }),
    "safe",
    // Each from shortly before the two differ, however much they share.
    /^safe source orders: format …nt".* → …nt".*"name":"note".*; layout ….* → ….*"note"/,
  ],
  "another window": [
    topology(
      "t",
      {
        shop: orders()
          .over("1h", "2h")
          .compute(counts)
          .asFeatureView("shop@1", { ttl: "2d" })
          .into(online, offline),
      },
      { partitions: 2 },
    ),
    "grow",
    /^grow view shop@1: gets n_2h$/,
  ],
  "a column that is gone, beside one that is new": [
    topology(
      "t",
      {
        shop: orders()
          .over("1h")
          .compute({ all: agg.count() })
          .asFeatureView("shop@1", { ttl: "5d" })
          .into(online, offline),
      },
      { partitions: 2 },
    ),
    "break",
    /^break view shop@1: no more: n_1h; new: all_1h; ttlMs 172800000 → 432000000$/,
  ],
  "another version": [
    topology("t", { shop, second: view("shop@2") }, { partitions: 2 }),
    "grow",
    /^grow view shop@2: is new$/,
  ],
  "another definition under an old name": [
    topology(
      "t",
      {
        shop: orders()
          .over("1h")
          .compute({ n: agg.count({ where: gt("amount", 5) }) })
          .asFeatureView("shop@1", { ttl: "2d" })
          .into(online, offline),
      },
      { partitions: 2 },
    ),
    "break",
    /^break view shop@1: computed otherwise: n_1h$/,
  ],
  "a view that is gone": [
    topology("t", { second: view("shop@2") }, { partitions: 2 }),
    "break",
    /break view shop@1: is gone/,
  ],
  "another lateness": [
    topology("t", { shop: view("shop@1", source("2m")) }, { partitions: 2 }),
    "break",
    /^break source orders: latenessMs 60000 → 120000$/,
  ],
  "another max jump": [
    topology(
      "t",
      {
        shop: view(
          "shop@1",
          from("orders", order)
            .timedBy("at", { lateness: "1m", maxJump: "30d" })
            .partitionedBy("orderId"),
        ),
      },
      { partitions: 2 },
    ),
    "break",
    /^break source orders: maxJumpMs nothing → 2592000000$/,
  ],
  "other partitions": [
    topology("t", { shop }, { partitions: 3 }),
    "break",
    /^break topology t: partitions 2 → 3$/,
  ],
  "a step that scores": [
    topology(
      "t",
      {
        shop,
        scores: source()
          .enrichedWith({ shop: shop.at("shop") }, { missing: "null" })
          .scoredBy("fraud", { model: "@champion", deadline: "50ms", fallback: prior(0.1) })
          .into(topic("t.scores")),
      },
      { partitions: 2 },
    ),
    "break",
    /^break scoring scores: is new/,
  ],
};

for (const [what, [after, verdict, text]] of Object.entries(cases)) {
  test(`a start with ${what} is ${verdict === "same" ? "no change" : `a case of ${verdict}`}`, () => {
    const changes = planChanges(partsOf(before), partsOf(after));
    assert.equal(verdictOf(changes), verdict);
    assert.match(changes.map((each) => `${each.kind} ${each.part}: ${each.what}`).join("\n"), text);
    assert.equal(isRefused(changes), verdict === "break" || what === "another window");
  });
}

test("what is safe leaves the state as it is, and what is not makes it another", () => {
  const stateOf = (plan: Plan) =>
    plan.subtopologies.map((each) => stateFingerprint(each).toString("hex"));
  for (const [after, verdict] of Object.values(cases)) {
    const same = stateOf(before).every((state, index) => stateOf(after)[index] === state);
    const isSafe = verdict === "safe" || verdict === "same";
    if (isSafe) assert.ok(same);
    else assert.ok(!same || after.subtopologies.length !== before.subtopologies.length);
  }
});

interface Declared {
  readonly unit?: TimestampUnit;
  readonly paidUnit?: TimestampUnit;
  readonly more?: Readonly<Record<string, ReturnType<typeof types.timestamp>>>;
  readonly subjects?: "topic" | "any";
}
const declared = ({ unit = "ms", paidUnit = "s", more = {}, subjects = "topic" }: Declared = {}) =>
  from(
    "orders",
    json({
      orderId: types.text(),
      at: types.timestamp(unit),
      paidAt: types.timestamp(paidUnit),
      shop: types.text(),
      other: types.text(),
      amount: types.number(),
      ...more,
    }),
    { subjects },
  )
    .timedBy("at", { lateness: "1m" })
    .partitionedBy("orderId");
const shopOf = (of: object, id = "shop@1") => view(id, of as ReturnType<typeof source>);
const declaredPlan = (of: object = declared()) =>
  topology("t", { shop: shopOf(of) }, { partitions: 2 });
/** Orders in Avro whose times have a unit, and whose fields mean something to people. */
const described = (doc: string, unit = "timestamp-millis") => {
  const at = { name: "at", type: { type: "long", logicalType: unit } };
  const schema = recordSchema<Order>({
    type: "record",
    name: "Order",
    fields: fields.map((each) => ({ ...(each.name === "at" ? at : each), doc })),
  });
  return source("1m", schema);
};
const withoutRepeated = (of: ReturnType<typeof source>, within: "1h" | "2h" = "1h") =>
  of.dedupedBy("orderId", { within });

const pairs: Readonly<Record<string, readonly [Plan, Plan, string, RegExp]>> = {
  "event times in another unit": [
    declaredPlan(declared({ unit: "s" })),
    declaredPlan(declared({ unit: "ms" })),
    "break",
    /^break source orders: the unit of at s → ms$/,
  ],
  "a field that a step reads in another unit": [
    declaredPlan(declared().where(gt("paidAt", 5))),
    declaredPlan(declared({ paidUnit: "us" }).where(gt("paidAt", 5))),
    "break",
    /^break source orders: the unit of paidAt s → us$/,
  ],
  "times of Avro in another unit": [
    topology("t", { shop: view("shop@1", described("")) }, { partitions: 2 }),
    topology("t", { shop: view("shop@1", described("", "timestamp-micros")) }, { partitions: 2 }),
    "break",
    /^break source orders: the unit of at ms → 1\/1000 ms$/,
  ],
  "another field in a unit of its own": [
    declaredPlan(),
    declaredPlan(declared({ more: { sentAt: types.timestamp("ns") } })),
    "safe",
    /^safe source orders: /,
  ],
  "ids of any subject": [
    declaredPlan(),
    declaredPlan(declared({ subjects: "any" })),
    "safe",
    /^safe source orders: subjects nothing → "any"$/,
  ],
  "another where": [
    declaredPlan(declared().where(gt("amount", 1))),
    declaredPlan(declared().where(gt("amount", 2))),
    "break",
    /^break view shop@1: through /,
  ],
  "another select": [
    declaredPlan(declared().select({ shop: "shop" })),
    declaredPlan(declared().select({ shop: "other" })),
    "break",
    /^break view shop@1: through /,
  ],
  "another within": [
    declaredPlan(withoutRepeated(source())),
    declaredPlan(withoutRepeated(source(), "2h")),
    "break",
    /^break dedup orders-by-orderId: withinMs 3600000 → 7200000$/,
  ],
  "another field of a source without what comes again": [
    declaredPlan(withoutRepeated(source())),
    declaredPlan(withoutRepeated(source("1m", wider))),
    "break",
    /break dedup orders-by-orderId: layout /,
  ],
  "other words about a field": [
    topology("t", { shop: view("shop@1", described("a")) }, { partitions: 2 }),
    topology("t", { shop: view("shop@1", described("b")) }, { partitions: 2 }),
    "safe",
    /^safe source orders: /,
  ],
  "other words about a field of a source without what comes again": [
    declaredPlan(withoutRepeated(described("a"))),
    declaredPlan(withoutRepeated(described("b"))),
    "safe",
    /^safe source orders: /,
  ],
  "a view over a new source": [
    declaredPlan(source()),
    topology(
      "t",
      {
        shop: view(),
        second: view(
          "shop@2",
          from("returns", order).timedBy("at", { lateness: "1m" }).partitionedBy("orderId"),
        ),
      },
      { partitions: 2 },
    ),
    "grow",
    /^grow source returns: is new\ngrow view shop@2: is new$/,
  ],
};

const ruledBy = (options: {
  readonly rules?: readonly Rule<Order & { readonly probability: number }>[];
  readonly ranges?: { readonly amount?: Range };
  readonly explain?: { readonly top: number };
}) => {
  const scores = source()
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", {
      ...{ model: "@champion", deadline: "50ms", fallback: prior(0.1) },
      ...options,
    })
    .into(topic("t.scores"), offline);
  return topology("t", { scores }, { partitions: 2 });
};
const large = override("large", gt("amount", 50), 1);

for (const [what, [was, is, verdict, text]] of Object.entries({
  ...pairs,
  "other rules on the same fields": [
    ruledBy({ rules: [large], ranges: {} }),
    ruledBy({
      rules: [override("larger", gt("amount", 90), 0.5), threshold("all", 0.5)],
      ranges: { amount: { max: 100, outside: "flag" } },
    }),
    "safe",
    /^safe scoring scores: ranges .*; rules .*$/,
  ],
  "rules where there were none": [
    ruledBy({}),
    ruledBy({ rules: [] }),
    "break",
    /^break scoring scores: rules nothing → \[\]; tells nothing → /,
  ],
  "more features in explanations": [
    ruledBy({ explain: { top: 1 } }),
    ruledBy({ explain: { top: 5 } }),
    "safe",
    /^safe scoring scores: explainsMost 1 → 5$/,
  ],
  "explanations where there were none": [
    ruledBy({}),
    ruledBy({ explain: { top: 5 } }),
    "break",
    /^break scoring scores: explains nothing → true; explainsMost nothing → 5$/,
  ],
  "explanations no more": [
    ruledBy({ explain: { top: 5 } }),
    ruledBy({}),
    "break",
    /^break scoring scores: explains true → nothing; explainsMost 5 → nothing$/,
  ],
  "ranges where there were none": [
    ruledBy({ rules: [large] }),
    ruledBy({ rules: [large], ranges: {} }),
    "break",
    /^break scoring scores: ranges nothing → \[\]; tells .*$/,
  ],
  "a rule that reads another field": [
    ruledBy({ rules: [large] }),
    ruledBy({ rules: [large, blockList("shut", "shop", ["s1"], 1)] }),
    "break",
    /^break scoring scores: reads .*; rules .*$/,
  ],
} satisfies typeof pairs)) {
  test(`a start with ${what} is a case of ${verdict}`, () => {
    const changes = planChanges(partsOf(was), partsOf(is));
    assert.match(changes.map((each) => `${each.kind} ${each.part}: ${each.what}`).join("\n"), text);
    assert.equal(verdictOf(changes), verdict);
    assert.equal(isRefused(changes), verdict === "break");
    const [before, after] = [was, is].map(({ subtopologies }) =>
      subtopologies.map((each) => stateFingerprint(each).toString("hex")),
    );
    if (verdict === "safe") assert.deepEqual(after, before);
    else assert.notDeepEqual(after, before);
  });
}

test("a view over what a step yields is refused with a remedy, as no strand is filled from it", () => {
  const once = withoutRepeated(source());
  const scores = source()
    .enrichedWith({ shop: shop.at("shop") }, { missing: "null" })
    .scoredBy("fraud", { model: "@champion", deadline: "50ms", fallback: prior(0.1) })
    .into(topic("t.scores"));
  const steps = { shop, scores, once: view("once@1", once) };
  const was = topology("t", steps, { partitions: 2 });
  const counted = scores
    .keyedBy("model")
    .over("1h")
    .compute(counts)
    .asFeatureView("scored@1", { ttl: "2d" })
    .into(offline);
  const fresh = { "once@2": view("once@2", once), "scored@1": counted } as const;
  for (const [id, step] of Object.entries(fresh)) {
    const is = topology("t", { ...steps, fresh: step }, { partitions: 2 });
    assert.ok(!canBeStrand(is, id));
    const changes = planChanges(partsOf(was), partsOf(is));
    assert.ok(isRefused(changes));
    assert.match(changes[0]?.what ?? "", /^is new, over records that the step .* yields$/);
    assert.match(changes[0]?.remedy ?? "", /^build it on a source, or /);
  }
});

test("a new view is refused in a comparison exactly where it can be no strand", () => {
  const all = [...Object.values(cases).map(([after]) => [before, after] as const)];
  for (const [was, is] of [...all, ...Object.values(pairs).map(([a, b]) => [a, b] as const)]) {
    const [before, after] = [was, is].map((plan) => viewsOf(plan).map(viewId)) as [
      string[],
      string[],
    ];
    const fresh = after.filter((id) => !before.includes(id));
    for (const change of planChanges(partsOf(was), partsOf(is))) {
      const id = fresh.find((each) => change.part === `view ${each}`);
      if (id !== undefined) assert.equal(change.remedy === null, canBeStrand(is, id), id);
    }
  }
});
