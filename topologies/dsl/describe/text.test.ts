import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { durationMs } from "../../../schemas/duration.ts";
import { block, durationText } from "./text.ts";

test("a duration reads back from its text exactly", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 12 }), (ms) => {
      assert.equal(durationMs(durationText(ms)), ms);
    }),
  );
  assert.equal(durationText(36 * 3_600_000), "36h");
  assert.equal(durationText(48 * 3_600_000), "2d");
});

test("blocks within blocks are indented once a level", () => {
  assert.equal(block("a", ["b", block("c", ["d"])]), "a\n  b\n  c\n    d");
});
