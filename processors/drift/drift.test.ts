import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { areaUnderRocOf } from "./auc.ts";
import { chiSquaredCdf, chiSquaredQuantile } from "./chi-squared.ts";
import { psi, psiBound } from "./psi.ts";

const near = (actual: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${actual} is not ${expected}`);

test("PSI equals the published numbers", () => {
  near(psi([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]), 0.0372184, 5e-8);
  const deciles = new Array<number>(10).fill(100);
  near(psi(deciles, [80, 90, 100, 110, 120, 100, 100, 100, 100, 100]), 0.010116, 5e-8);
});

test("PSI is 0 for equal shares, symmetric and finite with empty bins", () => {
  const histogram = fc.array(fc.nat(1000), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(histogram, histogram, (a, b) => {
      const left = [...a.slice(0, Math.min(a.length, b.length)), 1];
      const right = [...b.slice(0, Math.min(a.length, b.length)), 1];
      assert.ok(psi(left, right) >= 0 && Number.isFinite(psi(left, right)));
      near(psi(left, right), psi(right, left), 1e-12);
      const scaled = left.map((count) => count * 3);
      near(psi(left, scaled), 0, 1e-12);
    }),
  );
});

test("the chi-squared quantile equals the tables and inverts the distribution", () => {
  near(chiSquaredQuantile(0.999, 1), 10.827566170662733, 1e-9);
  near(chiSquaredQuantile(0.999, 9), 27.877164871256568, 1e-9);
  near(chiSquaredQuantile(0.95, 10), 18.307038053275146, 1e-9);
  for (const df of [1, 2, 5, 30, 400]) {
    for (const p of [0.001, 0.5, 0.99, 0.999]) {
      near(chiSquaredCdf(chiSquaredQuantile(p, df), df), p, 1e-12);
    }
  }
});

test("samples of one distribution pass the PSI bound about once in a thousand", () => {
  // mulberry32, seed 7: 2,000 pairs of histograms of 500 and 400 rows over 10 bins
  let state = 7;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const histogram = (n: number) => {
    const counts = new Array<number>(10).fill(0);
    for (let i = 0; i < n; i++) {
      const bin = Math.floor(random() * 10);
      counts[bin] = (counts[bin] as number) + 1;
    }
    return counts;
  };
  let alarms = 0;
  for (let i = 0; i < 2000; i++) {
    const reference = histogram(500);
    const current = histogram(400);
    if (psi(reference, current) > psiBound(reference, current)) alarms++;
  }
  assert.ok(alarms <= 8, `${alarms} alarms`);
});

test("AUC equals the published number and counting pairs, ties counting half", () => {
  assert.equal(areaUnderRocOf([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1]), 0.75);
  assert.ok(Number.isNaN(areaUnderRocOf([0.1, 0.2], [1, 1])));
  const row = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 1 }));
  fc.assert(
    fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
      let twice = 0;
      let pairs = 0;
      for (const [p, positive] of rows) {
        for (const [n, negative] of rows) {
          if (positive !== 1 || negative !== 0) continue;
          pairs++;
          twice += p > n ? 2 : p === n ? 1 : 0;
        }
      }
      const auc = areaUnderRocOf(
        rows.map(([score]) => score / 10),
        rows.map(([, label]) => label),
      );
      if (pairs === 0) assert.ok(Number.isNaN(auc));
      else assert.equal(auc, twice / 2 / pairs);
    }),
  );
});
