import assert from "node:assert/strict";
import { test } from "node:test";
import { type Measured, verdictsOf } from "./limits.ts";

const good: Measured = {
  exit: 0,
  balanced: true,
  seconds: 3_599,
  peaks: new Map([
    ["worker", [1.4e9, 1.5e9]],
    ["chDB", [2e9, 2e9]],
  ]),
  dataBytes: 30e9,
};

function failing(measured: Partial<Measured>): string[] {
  return verdictsOf({ ...good, ...measured })
    .filter(({ holds }) => !holds)
    .map(({ what }) => what);
}

test("a run at its limits holds, and each limit that is passed is named", () => {
  const peaks = (worker: [number, number], chDB: [number, number]) => ({
    peaks: new Map([
      ["worker", worker],
      ["chDB", chDB],
    ]),
  });
  const memory = (role: string) => `${role}: peak of resident memory, first and second half`;
  assert.deepEqual(failing({}), []);
  assert.deepEqual(failing({ exit: 1 }), ["ends and balances"]);
  assert.deepEqual(failing({ balanced: false }), ["ends and balances"]);
  assert.deepEqual(failing({ seconds: 3_600 }), ["time"]);
  assert.deepEqual(failing({ dataBytes: 30e9 + 1 }), ["data directory at its largest"]);
  assert.deepEqual(failing(peaks([1.5e9, 1.51e9], [1e9, 1e9])), [memory("worker")]);
  assert.deepEqual(failing(peaks([1e9, 1e9], [2.01e9, 1.9e9])), [memory("chDB")]);
  assert.deepEqual(failing(peaks([1e9, 1.11e9], [1e9, 1e9])), [
    "worker: second half against first",
  ]);
});

test("what was not seen does not hold", () => {
  assert.deepEqual(failing({ peaks: new Map(), dataBytes: 0 }).length, 5);
});
