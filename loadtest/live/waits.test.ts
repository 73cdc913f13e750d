import assert from "node:assert/strict";
import { test } from "node:test";
import { waitsBeside } from "./waits.ts";

test("what of a latency was an outage does not count, overlapping ones once", () => {
  const outages = [
    { from: 5_000, to: 9_000 },
    { from: 1_000, to: 3_000 },
    { from: 2_000, to: 4_000 },
  ];
  const seen = [
    [0, 500],
    [900, 4_100],
    [2_500, 10_000],
    [8_000, 20_000],
  ] as const;
  assert.deepEqual(waitsBeside(seen, outages, 2_500), {
    predictions: 4,
    mostMs: 11_000,
    beyond: 1,
  });
  assert.deepEqual(waitsBeside(seen, [], 2_500), { predictions: 4, mostMs: 12_000, beyond: 3 });
  assert.deepEqual(waitsBeside([], outages, 1), { predictions: 0, mostMs: 0, beyond: 0 });
});
