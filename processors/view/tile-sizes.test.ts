import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { tileSizes } from "./tile-sizes.ts";

const minute = 60_000;

test("windows of 15 min, 1 h, 3 h and 24 h share tiles of 9, 36, 108 and 864 s", () => {
  const windows = Float64Array.of(15 * minute, 60 * minute, 180 * minute, 1_440 * minute);
  assert.deepEqual(Array.from(tileSizes(windows)), [9_000, 36_000, 108_000, 864_000]);
});

test("tiles are 1 % of their window or finer, whole ms, nested, and fewer than 200 a window", () => {
  const lengths = fc.uniqueArray(fc.integer({ min: 1, max: 1e10 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(lengths, (drawn) => {
      const windows = Float64Array.from(drawn).sort();
      const sizes = tileSizes(windows);
      sizes.forEach((size, i) => {
        const length = windows[i] as number;
        assert.ok(Number.isInteger(size) && size >= 1);
        assert.ok(size === 1 || size <= length / 100);
        assert.ok(length / size < 200);
        assert.equal(size % (sizes[i - 1] ?? 1), 0);
      });
    }),
  );
});
