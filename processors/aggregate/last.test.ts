import assert from "node:assert/strict";
import { test } from "node:test";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { lt } from "../../topologies/dsl/conditions.ts";
import { last } from "./last.ts";
import { givenOver } from "./payments-fixture.ts";

const payments = [
  [10, 5],
  [20, null],
  [50, 9],
  [45, 2],
  [75, 1],
  [200, 3],
] as const;

test("the last value is that of the newest record that has one, however late others come", async () => {
  for (const exactLimit of [4_096, 1]) {
    const all = await givenOver(agg.last("amount"), payments, 230, exactLimit);
    assert.deepEqual(all.predicted, [null, 5, 5, 5, 9, null]);
    assert.equal(all.online, 3);
    assert.equal(all.rows.at(-2), null);
  }
});

test("the last value of the records for which a test holds", async () => {
  const small = await givenOver(agg.last("amount", { where: lt("amount", 4) }), payments, 230);
  assert.deepEqual(small.predicted, [null, null, null, null, 2, null]);
});

test("of values of one instant the largest is the last, in whatever order they come", () => {
  const of = last.exact();
  for (const values of [
    [3, 7, -0],
    [-0, 7, 3],
    [7, 3, -0],
  ]) {
    const state = of.prepare();
    for (const value of values) of.update(state, value, 1_000);
    assert.equal(of.finalize(state), 7);
  }
});
