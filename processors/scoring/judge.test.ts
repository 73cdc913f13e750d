import assert from "node:assert/strict";
import { test } from "node:test";
import { makesOneClass } from "../../schemas/hidden-class-fixture.ts";
import { and, eq, gt, gte, lt, not, or } from "../../topologies/dsl/conditions.ts";
import { blockList, override, threshold } from "../../topologies/dsl/rules.ts";
import { seededRandom } from "../train/seeded-random-fixture.ts";
import { Judge } from "./judge.ts";

const features = ["amount", "card_mean"];
const tells = ["score", "rule", "decision", "decidedBy", "flags"] as const;
const rules = [
  blockList("stolen", "card", ["c1", "c2"], 1),
  override("rich", and(gt("features.amount", 80), not(eq("country", "DE"))), 0.25),
  override("unsure", or(gt("probability", 0.9), lt("features.card_mean", 5)), 0.5),
  threshold("abroad", 0.3, not(eq("country", "DE"))),
  threshold("sure", 0.5, gte("probability", 0.5)),
].map(({ rule }) => rule);
const ranges = [
  { feature: "amount", min: 10, max: 90, outside: "flag" },
  { feature: "card_mean", max: 95, outside: "refuse" },
] as const;

interface Case {
  readonly card: string;
  readonly country: string | null;
  readonly amount: number;
  readonly mean: number;
  readonly score: number;
}

/** The rules above, said as plainly as they can be. */
function naive({ card, country, amount, mean, score }: Case) {
  const flags = [
    ...(amount < 10 || amount > 90 ? ["amount"] : []),
    ...(mean > 95 ? ["card_mean"] : []),
  ];
  let [rule, probability]: [string | null, number] = [null, score];
  if (card === "c1" || card === "c2") [rule, probability] = ["stolen", 1];
  else if (amount > 80 && country !== null && country !== "DE")
    [rule, probability] = ["rich", 0.25];
  else if (score > 0.9 || mean < 5) [rule, probability] = ["unsure", 0.5];
  let [decision, decidedBy]: [boolean | null, string | null] = [null, null];
  if (country !== null && country !== "DE") [decision, decidedBy] = [probability >= 0.3, "abroad"];
  else if (probability >= 0.5) [decision, decidedBy] = [true, "sure"];
  const told = { score, rule, decision, decidedBy };
  return { probability, told, flags, refused: mean > 95 };
}

test("rules and ranges say of any record what their definition says, null counting as unknown", () => {
  const judge = new Judge({ features, rules, ranges, tells });
  const random = seededRandom("rules");
  const seen = new Set<unknown>();
  for (let i = 0; i < 5_000; i++) {
    const number = () => (random(10) === 0 ? Number.NaN : random(101));
    const given: Case = {
      card: `c${random(12)}`,
      country: [null, "DE", "FR"][random(3)] ?? null,
      amount: number(),
      mean: number(),
      score: random(101) / 100,
    };
    const vector = Float64Array.of(-1, given.amount, given.mean);
    const { flags, refused } = judge.ranged(vector, 1);
    const { card, country, score } = given;
    const judged = judge.judge(score, { card, country }, vector, 1, flags);
    const { flags: told, ...expected } = naive(given);
    assert.deepEqual(
      { ...judged, refused },
      {
        ...expected,
        told: { ...expected.told, flags: told.length === 0 ? null : told.join(", ") },
      },
    );
    for (const each of [judged.told?.rule, judged.told?.decidedBy, judged.told?.flags, refused]) {
      seen.add(each);
    }
  }
  // null, three rules, two thresholds, three sets of flags, refused or not.
  assert.equal(seen.size, 11);
});

test("a step without rules tells nothing, and one with ranges alone tells its flags", () => {
  const vector = Float64Array.of(5, 1);
  const none = new Judge({ features });
  assert.deepEqual(none.judge(0.4, null, vector, 0, null), { probability: 0.4, told: null });
  const ranged = new Judge({ features, ranges, tells: ["flags"] });
  const { flags, refused } = ranged.ranged(vector, 0);
  assert.deepEqual(ranged.judge(0.4, null, vector, 0, flags), {
    probability: 0.4,
    told: { flags: "amount" },
  });
  assert.equal(refused, false);
  const routed = new Judge({ features, tells: ["role", "bucket"] });
  assert.equal(routed.judge(0.4, null, vector, 0, null).told, null);
});

test("what one record brings is no field of the next, and what is told besides stands last", () => {
  const judge = new Judge({ features, rules, tells: ["score", "rule", "decision", "decidedBy"] });
  const vector = Float64Array.of(50, 50);
  const abroad = judge.judge(0.4, { card: "c1", country: "FR" }, vector, 0, null, { bucket: 0.5 });
  assert.deepEqual(Object.entries(abroad.told ?? {}), [
    ["score", 0.4],
    ["rule", "stolen"],
    ["decision", true],
    ["decidedBy", "abroad"],
    ["bucket", 0.5],
  ]);
  const told = { score: 0.4, rule: null, decision: null, decidedBy: null };
  assert.deepEqual(judge.judge(0.4, {}, vector, 0, null), { probability: 0.4, told });
  assert.deepEqual(judge.judge(0.4, null, vector, 0, null), { probability: 0.4, told });
  const routed = new Judge({ features, tells: ["role"] });
  assert.deepEqual(routed.judge(0.4, null, vector, 0, null, { role: "champion" }).told, {
    role: "champion",
  });
});

test("what is told of answers has one hidden class", async () => {
  const vector = Float64Array.of(50, 50);
  for (const judge of [
    new Judge({ features, rules, ranges, tells }),
    new Judge({ features, ranges, tells: ["flags"] }),
  ]) {
    const told = () => {
      const besides = { role: "champion", bucket: 0.5 };
      return judge.judge(0.4, { card: "c" }, vector, 0, null, besides).told ?? {};
    };
    assert.ok(await makesOneClass(told));
  }
});
