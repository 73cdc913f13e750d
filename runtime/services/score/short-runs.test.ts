import assert from "node:assert/strict";
import { test } from "node:test";
import { ShortRuns } from "./short-runs.ts";

test("a batch is short once its model has shown often enough that it takes no longer", () => {
  const runs = new ShortRuns(0.25);
  for (let run = 0; run < 15; run++) runs.took("a", 1, 0.1);
  assert.equal(runs.isShort("a", 1), false, "too few are known");
  runs.took("a", 1, 9);
  assert.deepEqual(
    [1, 2, 3].map((rows) => runs.isShort("a", rows)),
    [true, true, false],
  );
  for (let run = 0; run < 20; run++) runs.took("b", 1, 0.3);
  assert.equal(runs.isShort("b", 1), false);
  runs.took("b", 100, 10);
  assert.equal(runs.isShort("b", 2), true, "of many rows it took less for each");
  assert.equal(runs.isShort("c", 1), false, "nothing is known of it");
});

test("what took long once has to show anew what it takes", () => {
  const runs = new ShortRuns(0.25);
  for (let run = 0; run < 16; run++) runs.took("a", 1, 0.01);
  runs.forget("a");
  assert.equal(runs.isShort("a", 1), false);
  for (let run = 0; run < 16; run++) runs.took("a", 1, 0.01);
  assert.equal(runs.isShort("a", 1), true);
});

test("without a limit none is short, and of many models those heard of last are known", () => {
  const none = new ShortRuns(0);
  for (let run = 0; run < 16; run++) none.took("a", 1, 0);
  assert.equal(none.isShort("a", 1), false);
  const runs = new ShortRuns(1);
  for (let model = 0; model < 17; model++) {
    for (let run = 0; run < 16; run++) runs.took(`m${model}`, 1, 0.1);
  }
  assert.deepEqual(
    ["m0", "m1", "m16"].map((each) => runs.isShort(each, 1)),
    [false, true, true],
  );
});
