import assert from "node:assert/strict";
import { test } from "node:test";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { gt } from "../../topologies/dsl/conditions.ts";
import { givenOver } from "./payments-fixture.ts";

const payments = [
  [10, 5],
  [20, null],
  [30, 7],
  [40, 900],
] as const;

test("a mean is the same in predictions, online and offline, and leaves out what where leaves out", async () => {
  const all = await givenOver(agg.mean("amount"), payments, 75);
  assert.deepEqual(all.predicted, [null, 5, 5, 6]);
  assert.deepEqual(all.rows, [5, 5, 6, 304, 907 / 2]);
  assert.equal(all.online, 907 / 2);
  const large = await givenOver(agg.mean("amount", { where: gt("amount", 6) }), payments, 75);
  assert.deepEqual(large.predicted, [null, null, null, 7]);
  assert.equal(large.online, 907 / 2);
});
