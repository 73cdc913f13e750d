import assert from "node:assert/strict";
import { test } from "node:test";
import { durationMs } from "./duration.ts";

test("a duration is a positive whole number and a unit", () => {
  assert.equal(durationMs("15m"), 900_000);
  assert.equal(durationMs("36h"), 129_600_000);
  for (const bad of ["1 second", "0m", "-1h", "1.5h", "h", "15", "999999999999d"]) {
    assert.throws(() => durationMs(bad), { code: "BAD_DURATION" });
  }
});
