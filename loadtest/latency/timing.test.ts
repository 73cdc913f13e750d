import assert from "node:assert/strict";
import { test } from "node:test";
import { median, medianOf, time, warmUpCalls } from "./timing.ts";

test("a timing counts the calls after the warm-up, and its figures are in order", async () => {
  let calls = 0;
  const { samples, p50, p99, max } = await time("nothing", 50, async () => {
    calls++;
  });
  assert.deepEqual([samples, calls], [50, warmUpCalls + 50]);
  assert.ok(p50 >= 0 && p50 <= p99 && p99 <= max);
});

test("of several rounds each figure is the median", () => {
  const round = (p50: number, p99: number) => ({ name: "x", samples: 10, p50, p99, max: 9 });
  assert.deepEqual(medianOf([round(1, 8), round(3, 2), round(2, 5)]), {
    ...{ name: "x", samples: 30, p50: 2, p99: 5, max: 9 },
  });
  assert.equal(median([4, 1, 3, 2]), 3);
});
