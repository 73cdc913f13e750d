import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { durationMs, durationText } from "./duration.ts";

test("a duration is a positive whole number and a unit", () => {
  assert.equal(durationMs("15m"), 900_000);
  assert.equal(durationMs("36h"), 129_600_000);
  for (const bad of ["1 second", "0m", "-1h", "1.5h", "h", "15", "999999999999d"]) {
    assert.throws(() => durationMs(bad), { code: "BAD_DURATION" });
  }
});

test("a duration reads back from its text exactly", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 12 }), (ms) => {
      assert.equal(durationMs(durationText(ms)), ms);
    }),
  );
  assert.equal(durationText(36 * 3_600_000), "36h");
  assert.equal(durationText(48 * 3_600_000), "2d");
});
