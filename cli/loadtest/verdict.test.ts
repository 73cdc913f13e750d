import assert from "node:assert/strict";
import { test } from "node:test";
import { LatencyHistogram } from "../live/latency-histogram.ts";
import type { LoopCounts } from "./open-loop.ts";
import type { ReadBack } from "./read-back.ts";
import { failuresOf, shownText } from "./verdict.ts";

const bounds = { p99Ms: null, dropped: 0.01 };

function shown(more: Partial<LoopCounts> = {}, kept: Partial<ReadBack> = {}, ms = 10) {
  const times = new LatencyHistogram();
  for (let n = 0; n < 100; n++) times.add(ms);
  const counts = { times, answered: 1_000, failed: 0, dropped: 0, failures: new Map(), ...more };
  const readBack = { table: "scores", due: 1_000, found: 1_000, doubled: 0, ...kept };
  return { counts, kinds: new Map(), readBacks: [readBack], predictionMs: null };
}

test("a load in which all is answered in time and kept once has failed at nothing", () => {
  assert.deepEqual(failuresOf(shown(), bounds), []);
  assert.deepEqual(failuresOf(shown({ dropped: 10 }), bounds), []);
  assert.deepEqual(failuresOf(shown({}, { due: null, found: 7 }), bounds), []);
  assert.deepEqual(failuresOf(shown(), { ...bounds, p99Ms: 10 }), []);
});

test("each promise that does not hold fails it", () => {
  const failure = (...of: Parameters<typeof shown>) => failuresOf(shown(...of), bounds).join("; ");
  assert.equal(failure({ failed: 2 }), "2 requests failed");
  assert.match(failure({ dropped: 12 }), /^12 of 1012 requests could not be sent in time$/);
  assert.equal(failure({ times: new LatencyHistogram() }), "nothing was measured");
  assert.equal(failure({}, { found: 998 }), "2 of 1000 miss in scores");
  assert.equal(failure({}, { doubled: 1 }), "1 stand in scores twice");
  assert.equal(failure({}, { found: 1_001 }), "scores has 1 that nobody was told of");
  // Who got no answer may stand there all the same.
  assert.equal(failure({ failed: 1 }, { found: 1_001 }), "1 requests failed");
  const slow = failuresOf(shown({}, {}, 30), { ...bounds, p99Ms: 20 });
  assert.deepEqual(slow, ["p99 is 30 ms, above 20 ms"]);
});

test("people read the times, what was kept and why it failed", () => {
  const good = shownText(shown(), []);
  assert.match(good, /^times +p50 10 ms, .* most 10 ms, from when each was due$/m);
  assert.match(good, /^kept +1,000 of 1,000 in scores, 0 twice$/m);
  assert.ok(good.endsWith("\nPassed."));
  const failures = new Map([["no answer: ECONNREFUSED", 3]]);
  const nothing = shownText(shown({ times: new LatencyHistogram(), failures }), ["all failed"]);
  assert.match(nothing, /^times +none$/m);
  assert.match(nothing, /^failed +3: no answer: ECONNREFUSED\nFAILED: all failed\.$/m);
});
