import assert from "node:assert/strict";
import { test } from "node:test";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { gt } from "../../topologies/dsl/conditions.ts";
import { first } from "./first.ts";
import { givenOver } from "./payments-fixture.ts";

const payments = [
  [10, null],
  [20, 5],
  [50, 9],
  [15, 2],
  [78, 1],
  [200, 3],
] as const;

test("the first value is that of the oldest record of the window that has one", async () => {
  for (const exactLimit of [4_096, 1]) {
    const all = await givenOver(agg.first("amount"), payments, 230, exactLimit);
    assert.deepEqual(all.predicted, [null, null, 5, 5, 5, null]);
    assert.equal(all.online, 3);
    // The late record of second 15 is the first until it leaves.
    assert.ok(all.rows.includes(2));
  }
});

test("the first value of the records for which a test holds", async () => {
  const large = await givenOver(agg.first("amount", { where: gt("amount", 5) }), payments, 230);
  assert.deepEqual(large.predicted, [null, null, null, null, 9, null]);
});

test("of values of one instant the smallest is the first, and they leave in any order", () => {
  const of = first.exact();
  const state = of.prepare();
  for (const value of [7, 3, 5]) of.update(state, value, 1_000);
  assert.equal(of.finalize(state), 3);
  of.retract(state, 7, 1_000);
  of.retract(state, 3, 1_000);
  assert.equal(of.finalize(state), 5);
});
