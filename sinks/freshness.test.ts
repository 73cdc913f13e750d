import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FeatureRow } from "../schemas/row.ts";
import { judgeFreshness } from "./freshness.ts";

const limits = { ttlMs: 1_000, maxLagMs: 50 };

function row(asOf: number, validUntil: number): FeatureRow {
  return { served: 0, asOf, seq: 0, validUntil, values: new Float64Array() };
}

function judged(asOf: number, validUntil: number, progress: number, at: number): string {
  return judgeFreshness({ row: row(asOf, validUntil), progress }, at, limits).freshness;
}

test("a row is fresh in (asOf, validUntil], once progress has come there", () => {
  assert.equal(judged(100, 200, 200, 100), "STALE");
  assert.equal(judged(100, 200, 200, 101), "FRESH");
  assert.equal(judged(100, 200, 200, 200), "FRESH");
  assert.equal(judged(100, 200, 201, 201), "STALE");
  assert.equal(judged(100, 200, 199, 200), "STALE");
  assert.equal(judged(100, Number.NaN, 1_100, 1_100), "FRESH");
});

test("a row is missing past its ttl, and when progress is further behind than allowed", () => {
  assert.equal(judged(100, Number.NaN, 1_101, 1_101), "MISSING");
  assert.equal(judged(100, 200, 150, 200), "STALE");
  assert.equal(judged(100, 200, 149, 200), "MISSING");
  assert.equal(judged(100, 200, Number.NEGATIVE_INFINITY, 200), "MISSING");
  const none = judgeFreshness({ row: null, progress: 500 }, 400, limits);
  assert.deepEqual(none, { freshness: "MISSING", ageMs: null, lagMs: 0 });
});

test("no value that expired, aged out or may be outdated is ever called fresh (200,000 reads)", () => {
  // Around each boundary, by a millisecond either way.
  const near = fc.integer({ min: -2, max: 2 });
  const instant = fc.integer({ min: 0, max: 3_000 });
  let fresh = 0;
  fc.assert(
    fc.property(
      instant,
      fc.constantFrom("asOf", "validUntil", "ttl", "progress"),
      near,
      fc.integer({ min: 1, max: 2_000 }),
      fc.option(instant),
      (asOf, boundary, offset, length, behind) => {
        const validUntil = length > 1_900 ? Number.NaN : asOf + length;
        const edge = { asOf, validUntil, ttl: asOf + limits.ttlMs, progress: 1_500 }[boundary];
        const at = (Number.isNaN(edge) ? asOf : edge) + offset;
        const progress = behind === null ? at + 5 : 1_500 + (behind % 3) - 1;
        const is = judged(asOf, validUntil, progress, at) === "FRESH";
        const may = asOf < at && !(at > validUntil) && at - asOf <= limits.ttlMs && progress >= at;
        assert.equal(is, may);
        if (is) fresh += 1;
      },
    ),
    { numRuns: 200_000, seed: 9 },
  );
  assert.ok(fresh > 10_000);
});
