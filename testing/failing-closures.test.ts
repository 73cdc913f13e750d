import assert from "node:assert/strict";
import { test } from "node:test";
import { decoder, json } from "../schemas/formats/kinds.ts";
import { types } from "../schemas/formats/types.ts";
import type { Plan } from "../schemas/plan.ts";
import { agg } from "../topologies/dsl/aggregates.ts";
import { and, custom, gt } from "../topologies/dsl/conditions.ts";
import { offline, online, topic } from "../topologies/dsl/roles.ts";
import { prior } from "../topologies/dsl/scoring.ts";
import { from } from "../topologies/dsl/stream.ts";
import { topology } from "../topologies/dsl/topology.ts";
import { type TopologyDriver, topologyDriver } from "./topology-driver.ts";

const noon = Date.UTC(2026, 0, 1, 12);
const fields = { id: types.text(), at: types.timestamp("ms"), amount: types.number() };
const payments = from("payments", json(fields))
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id")
  .identifiedBy("id");
const disputes = from("disputes", json(fields))
  .timedBy("at", { lateness: "1m" })
  .partitionedBy("id");
/** Throws on one amount, with a reason that has controls in it and no end. */
const even = (cursed: number) =>
  custom({
    ...{ name: "even", version: 3 },
    test: ({ amount }: { readonly amount: number }) => {
      if (amount === cursed) throw new Error(`\u001b]0;cursed\u0007${"x".repeat(1e6)}`);
      return amount % 2 === 0;
    },
  });

/** Sends amounts as payments a, b, c… one second apart, and says what became of them. */
async function run(
  plan: Plan,
  amounts: readonly number[],
  also?: (driver: TopologyDriver) => void,
) {
  const driver = topologyDriver(plan);
  for (const [i, amount] of amounts.entries()) {
    driver.input("payments").send({ id: "abcdefgh"[i], at: noon + i * 1_000, amount });
  }
  also?.(driver);
  await driver.advanceTo(noon + 3_600_000);
  const letters = await driver.output(`${plan.name}.dead-letters`).drain();
  const accounts = await driver.accounting();
  for (const each of accounts) {
    const { processed, late, deadLettered, filtered, excluded, duplicates } = each;
    const all = processed + late + deadLettered + filtered + excluded + duplicates;
    assert.equal(each.in, all, each.branch);
  }
  const told = letters.map(({ value }) => [value["code"], value["step"], value["key"]?.toString()]);
  return { driver, accounts, letters: told, reasons: letters.map(({ value }) => value["reason"]) };
}

function assertReason(reason: unknown): void {
  const text = String(reason);
  assert.match(text, /^the custom test even#3 threw: \\u001b\]0;cursed\\u0007x+…$/);
  assert.equal(text.length, 500);
}

const views = {
  where: payments.where(even(7)).keyedBy("id").over("1h").compute({ n: agg.count() }),
  truth: payments
    .select({ id: "id", even: even(7) })
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.count() }),
  "where of an aggregate": payments
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.count({ where: even(7) }) }),
  "where of an aggregate of texts": payments
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.last("id", { where: even(7) }) }),
  share: payments
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.share(even(7)) }),
};

for (const [what, view] of Object.entries(views)) {
  test(`a closure that throws on a record makes a dead letter of it: ${what}`, async () => {
    const plan = topology("closures", {
      view: view.asFeatureView("view@1", { ttl: "1d" }).into(online, offline),
    });
    const { driver, letters, reasons } = await run(plan, [2, 7, 4]);
    assert.deepEqual(letters, [["CLOSURE_FAILED", "payments", "b"]]);
    assertReason(reasons[0]);
    for (const id of ["a", "c"]) assert.notEqual(await driver.store("view@1").get(id), null);
    assert.equal(await driver.store("view@1").get("b"), null);
    await driver.close();
  });
}

test("a closure that is asked only behind another test fails on no record before it", async () => {
  const view = payments
    .where(and(gt("amount", 10), even(7)))
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.count() })
    .asFeatureView("view@1", { ttl: "1d" })
    .into(online);
  const { driver, letters } = await run(topology("closures", { view }), [7, 12]);
  assert.deepEqual(letters, []);
  await driver.close();
});

test("behind a step the record is a dead letter of that step, and of that branch alone", async () => {
  const once = payments.dedupedBy("id", { within: "1m" });
  const count = { n: agg.count() };
  const all = once.keyedBy("id").over("1h").compute(count);
  const evens = once.where(even(7)).keyedBy("id").over("1h").compute(count);
  const share = once
    .select({ id: "id", amount: "amount" })
    .keyedBy("id")
    .over("1h")
    .compute({ n: agg.share(even(9)) });
  const plan = topology("closures", {
    all: all.asFeatureView("all@1", { ttl: "1d" }).into(online),
    evens: evens.asFeatureView("evens@1", { ttl: "1d" }).into(online),
    share: share.asFeatureView("share@1", { ttl: "1d" }).into(online),
  });
  const { driver, letters, reasons } = await run(plan, [2, 7, 9]);
  assert.deepEqual(letters.map(String).sort(), [
    "CLOSURE_FAILED,payments-by-id,",
    "CLOSURE_FAILED,payments-by-id,c",
  ]);
  for (const reason of reasons) assertReason(reason);
  for (const id of ["a", "b", "c"]) assert.notEqual(await driver.store("all@1").get(id), null);
  assert.equal(await driver.store("evens@1").get("b"), null);
  assert.notEqual(await driver.store("share@1").get("b"), null);
  await driver.close();
});

const picky = custom({
  ...{ name: "picky", version: 1 },
  test: (each: { readonly id: string }) => {
    if (each.id === "c") throw new TypeError("not this one");
    return true;
  },
});

test("a label whose closure throws is a dead letter, and so is a prediction over which one does", async () => {
  const predictions = payments
    .enrichedWith({}, { missing: "null", request: { amount: "amount" } })
    .scoredBy("fraud", { model: "@champion", deadline: "20ms", fallback: prior(0.1) })
    .into(topic("predicted"), offline);
  const outcomes = predictions
    .labelledBy(disputes, { on: "id", within: "10m", label: even(7) })
    .into(topic("disputed"), offline);
  const scored = predictions
    .keyedBy("model")
    .over("2h")
    .compute({ n: agg.count({ where: picky }) })
    .asFeatureView("scored@1", { ttl: "1d" })
    .into(online);
  const plan = topology("closures", { predictions, outcomes, scored });
  const { driver, letters } = await run(plan, [1, 2, 3], (driver) => {
    for (const [id, amount] of [["a", 7] as const, ["b", 8] as const]) {
      driver.input("disputes").send({ id, at: noon + 60_000, amount });
    }
  });
  assert.deepEqual(letters.sort(), [
    ["CLOSURE_FAILED", "disputes", "a"],
    ["CLOSURE_FAILED", "predictions", "fraud"],
  ]);
  const told = (await driver.output("disputed").drain()).map(({ value }) => [
    value["id"],
    value["label"],
  ]);
  assert.deepEqual(told.sort(), [
    ["a", null],
    ["b", true],
    ["c", null],
  ]);
  assert.equal((await driver.online("scored@1", "fraud")).features["n_2h"], 2);
  await driver.close();
});

test("a decoder that throws whatever it likes makes a dead letter of that record", async () => {
  const thrown: unknown[] = [
    new Error(`\u001b[2J${"é".repeat(1e6)}`),
    Object.create(null),
    Symbol("none"),
    null,
    Object.defineProperty(new Error("hidden"), "message", {
      get: () => {
        throw new Error("no message");
      },
    }),
  ];
  const readings = from(
    "payments",
    decoder({
      ...{ name: "readings", version: 1, fields },
      decode: ([first = 0]) => {
        if (first > 0) throw thrown[first - 1];
        return { id: "a", at: noon, amount: 1 };
      },
    }),
  )
    .timedBy("at", { lateness: "1m" })
    .repartitionedBy("id");
  const view = readings.keyedBy("id").over("1h").compute({ n: agg.count() });
  const plan = topology("closures", {
    view: view.asFeatureView("view@1", { ttl: "1d" }).into(online),
  });
  const { driver, letters, reasons } = await run(plan, [], (driver) => {
    for (const first of [1, 2, 3, 0, 4, 5]) {
      driver.input("payments").send(Buffer.of(first), { key: "k", timestamp: noon });
    }
  });
  assert.deepEqual(
    letters.map(([code]) => code),
    thrown.map(() => "MALFORMED_RECORD"),
  );
  const texts = reasons.map(String);
  assert.equal(texts[0]?.slice(0, 10), "\\u001b[2Jé");
  assert.equal(texts[0]?.length, 500);
  assert.deepEqual(texts.slice(1), [
    "something of type object that is no text",
    "Symbol(none)",
    "null",
    "something of type object that is no text",
  ]);
  assert.notEqual(await driver.store("view@1").get("a"), null);
  await driver.close();
});
