import assert from "node:assert/strict";
import { test } from "node:test";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { gt } from "../../topologies/dsl/conditions.ts";
import { givenOver } from "./payments-fixture.ts";

const payments = [
  [10, 5],
  [20, null],
  [50, 9],
  [45, 2],
  [75, 1],
  [200, 3],
] as const;

test("since the last record: rows hold its instant, look-ups at q the time from there to q", async () => {
  for (const exactLimit of [4_096, 1]) {
    const all = await givenOver(agg.sinceLast(), payments, 230, exactLimit);
    // The record of second 45 came late: it is known at 50, and not the newest.
    assert.deepEqual(all.predicted, [null, 10_000, 30_000, 30_000, 25_000, null]);
    assert.equal(all.online, 30_000);
    const instants = new Set(all.rows);
    assert.deepEqual(instants, new Set([10_000, 20_000, 50_000, 75_000, null, 200_000]));
  }
});

test("since the last record for which a test holds", async () => {
  const large = await givenOver(
    agg.sinceLast({ where: gt("amount", 4) }),
    payments.slice(0, 5),
    100,
  );
  assert.deepEqual(large.predicted, [null, 10_000, 40_000, 40_000, 25_000]);
  assert.equal(large.online, 50_000);
});
