import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LatencyHistogram } from "./latency-histogram.ts";

const latencies = fc.array(fc.integer({ min: 0, max: 3_000_000 }), { minLength: 1 });

test("a quantile is never below the true one, and at most 1/32 above", () => {
  fc.assert(
    fc.property(latencies, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, share) => {
      const histogram = new LatencyHistogram();
      for (const each of all) histogram.add(each);
      const sorted = [...all].sort((a, b) => a - b);
      const exact = sorted[Math.max(1, Math.ceil(share * all.length)) - 1] as number;
      const found = histogram.quantile(share) as number;
      assert.ok(found >= exact && found <= exact * (1 + 1 / 32), `${found} for ${exact}`);
      assert.equal(histogram.maxMs, sorted.at(-1));
      assert.equal(histogram.quantile(1), sorted.at(-1));
    }),
  );
});

test("kept as JSON and read again it goes on as if nothing had happened", () => {
  fc.assert(
    fc.property(latencies, latencies, (before, after) => {
      const whole = new LatencyHistogram();
      for (const each of [...before, ...after]) whole.add(each);
      const first = new LatencyHistogram();
      for (const each of before) first.add(each);
      const { counts, maxMs } = JSON.parse(JSON.stringify(first)) as ReturnType<
        LatencyHistogram["toJSON"]
      >;
      const second = new LatencyHistogram(counts, maxMs);
      for (const each of after) second.add(each);
      assert.deepEqual(second.toJSON(), whole.toJSON());
      assert.equal(second.count, whole.count);
    }),
  );
});

test("without a latency there is no quantile; a clock that was set back counts as 0", () => {
  const histogram = new LatencyHistogram();
  assert.equal(histogram.quantile(0.5), null);
  histogram.add(-20);
  assert.deepEqual([histogram.quantile(0.5), histogram.count], [0, 1]);
  histogram.add(1e12);
  assert.equal(histogram.maxMs, 1e12, "beyond the last bucket the most is still exact");
});
