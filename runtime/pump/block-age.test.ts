import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockAge } from "./block-age.ts";

test("a pump writes a tenth of the time, as long as its blocks get no older than five seconds", () => {
  const age = new BlockAge(1_000);
  assert.equal(age.ms, 1_000);
  for (const [tookMs, ms] of [
    [20, 1_000],
    [100, 1_000],
    [250, 2_500],
    [500, 5_000],
    [60_000, 5_000],
    [10, 1_000],
  ] as const) {
    age.wrote(tookMs);
    assert.equal(age.ms, ms, `after ${tookMs} ms`);
  }
});

test("what is older than that by itself, as in a replay, gets no older", () => {
  const age = new BlockAge(5_000);
  age.wrote(60_000);
  assert.equal(age.ms, 5_000);
});

test("what is written at once stays so, however long it takes", () => {
  const age = new BlockAge(0);
  age.wrote(5_000);
  assert.equal(age.ms, 0);
});
