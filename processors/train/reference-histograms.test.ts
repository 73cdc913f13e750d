import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { psi, psiAlarmFloor, psiBound } from "../drift/psi.ts";
import { binOf } from "../watch/reference.ts";
import { referenceHistograms } from "./reference-histograms.ts";
import { seededRandom } from "./seeded-random-fixture.ts";

/** The reference that one feature with these values gives. */
function referenceOf(values: readonly number[]) {
  const n = values.length;
  const [histogram] = referenceHistograms(
    {
      n,
      features: ["amount"],
      values: Float64Array.from(values),
      labels: new Uint8Array(n),
      knownAt: new Float64Array(n),
    },
    new Set(),
  );
  if (histogram === undefined) throw new RangeError("no histogram");
  return histogram;
}

/** PSI and its limit of other values against a reference. */
function held(reference: readonly number[], current: readonly number[]) {
  const { edges, counts } = referenceOf(reference);
  const found = new Array<number>(counts.length).fill(0);
  for (const value of current) {
    const bin = binOf(value, edges);
    found[bin] = (found[bin] as number) + 1;
  }
  const statistic = psi(counts, found);
  return { statistic, alarm: statistic > Math.max(psiAlarmFloor, psiBound(counts, found)) };
}

const repeat = (n: number, value: (i: number) => number) =>
  Array.from({ length: n }, (_, i) => value(i));
const random = seededRandom("reference");
const uniform = () => random(1_000_003) / 1_000_003;

test("a change of a constant, a frequent value, the range or what is missing is an alarm", () => {
  const zeros = repeat(1_000, (i) => (i % 20 === 0 ? 1 + (i % 7) : 0));
  const spread = repeat(1_000, (i) => i / 10);
  const changes: [string, number[], number[]][] = [
    ["95 % zeros, then all ones", zeros, repeat(1_000, () => 1)],
    ["95 % zeros, then 60 %", zeros, repeat(1_000, (i) => (i % 5 < 2 ? 1 + (i % 7) : 0))],
    [
      "all zeros but one, then half",
      repeat(1_000, (i) => (i === 0 ? 3 : 0)),
      repeat(500, (i) => i % 2),
    ],
    ["a constant, then 0 to 99", repeat(1_000, () => 7), repeat(1_000, (i) => i % 100)],
    ["a constant, then a little more", repeat(1_000, () => 7), repeat(1_000, () => 7.001)],
    ["a constant, then a little less", repeat(1_000, () => 7), repeat(1_000, () => 6.999)],
    ["a tenth goes beyond the range", spread, spread.map((x) => (x >= 90 ? x + 10 : x))],
    ["a tenth goes below the range", spread, spread.map((x) => (x < 10 ? x - 10 : x))],
    ["never missing, then a tenth", spread, spread.map((x, i) => (i % 10 === 0 ? Number.NaN : x))],
    ["always missing, then never", spread.map(() => Number.NaN), spread],
    ["infinite, then the other way", spread.map(() => Infinity), spread.map(() => -Infinity)],
    ["infinite, then finite", spread.map(() => Infinity), spread],
    ["the greatest double, then less", spread.map(() => Number.MAX_VALUE), spread],
  ];
  for (const [name, reference, current] of changes) {
    assert.ok(held(reference, current).alarm, `${name}: ${held(reference, current).statistic}`);
    assert.equal(held(reference, reference).statistic, 0, `${name}: against itself`);
    const json = JSON.parse(JSON.stringify(referenceOf(reference)));
    assert.deepEqual(json, referenceOf(reference), `${name}: stands in JSON`);
  }
});

test("route_flights_15m of flights, 0 in nine of ten rows, is seen when its traffic changes", () => {
  // As 15,539 predictions of a day and a half have it: 14,133 zeros, the least value.
  const shares = [14_133, 1_318, 87, 1];
  const rows = (counts: readonly number[]) => counts.flatMap((n, value) => repeat(n, () => value));
  const training = rows(shares);
  assert.ok((shares[0] as number) / training.length > 0.9);
  const same = rows(shares.map((n) => Math.round(n / 3)));
  assert.equal(held(training, same).alarm, false, "a third of the rows, drawn alike");
  const changes: Readonly<Record<string, number[]>> = {
    "every route flies": rows([0, 14_133, 1_318, 88]),
    "one in three does": rows([10_000, 5_000, 500, 39]),
    "none does any more": rows([15_539]),
    "nothing is known": repeat(15_539, () => Number.NaN),
    "a tenth is known of, and unlike": rows([12_700, 1_300, 80, 1, 0, 0, 0, 0, 1_458]),
  };
  for (const [what, current] of Object.entries(changes)) {
    assert.ok(held(training, current).alarm, `${what}: ${held(training, current).statistic}`);
  }
});

test("the mirror image of rows and window has the same PSI", () => {
  const value = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.double({ min: -5, max: 5, noNaN: true }),
    fc.constantFrom(Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, Number.MIN_VALUE),
  );
  const rows = fc.array(value, { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(rows, fc.infiniteStream(fc.nat()), (reference, picks) => {
      // A value in the middle of a gap lies on an edge, which belongs to one side.
      const current = Array.from({ length: 40 }, () => {
        const at = picks.next().value;
        return reference[at % reference.length] as number;
      }).concat(99, -99, Number.NaN);
      const mirrored = (values: number[]) => values.map((each) => -each);
      const { statistic } = held(reference, current);
      const other = held(mirrored(reference), mirrored(current)).statistic;
      assert.ok(Math.abs(statistic - other) < 1e-9, `${statistic} and ${other}`);
    }),
  );
});

test("each row is counted once, and no bin but a frequent value's is large", () => {
  const value = fc.oneof(fc.integer({ min: 0, max: 30 }), fc.double({ noNaN: true }));
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
      const { edges, counts } = referenceOf(values);
      assert.ok(edges.every((edge, i) => i === 0 || edge > (edges[i - 1] as number)));
      assert.ok(edges.length <= 32, `${edges.length} edges`);
      assert.equal(counts.length, edges.length + 2);
      assert.equal(
        counts.reduce((sum, count) => sum + count, 0),
        values.length,
      );
      const finite = values.filter(Number.isFinite);
      for (const [bin, count] of counts.entries()) {
        const [low, high] = [edges[bin - 1] ?? -Infinity, edges[bin] ?? Infinity];
        const within = new Set(finite.filter((each) => each >= low && each < high));
        if (within.size > 1) assert.ok(count <= 0.25 * finite.length + 2, `bin ${bin}: ${count}`);
      }
    }),
  );
});

test("samples of one distribution pass the bound about once in a thousand, whatever is frequent", () => {
  const draw: Record<string, () => number> = {
    even: uniform,
    "half zero": () => (uniform() < 0.5 ? 0 : uniform()),
    "95 % zero": () => (uniform() < 0.95 ? 0 : uniform()),
    counts: () => Math.floor(-3 * Math.log(1 - uniform())),
    "90 % missing": () => (uniform() < 0.9 ? Number.NaN : uniform()),
  };
  for (const [name, one] of Object.entries(draw)) {
    let passed = 0;
    for (let i = 0; i < 1_000; i++) {
      const { edges, counts } = referenceOf(repeat(500, one));
      const found = new Array<number>(counts.length).fill(0);
      for (let row = 0; row < 400; row++) {
        const bin = binOf(one(), edges);
        found[bin] = (found[bin] as number) + 1;
      }
      if (psi(counts, found) > psiBound(counts, found)) passed++;
    }
    assert.ok(passed <= 6, `${name}: ${passed} of 1,000`);
  }
});

test("a reference whose own sampling error passes for a shift says that it is poor", () => {
  assert.equal(referenceOf(repeat(1_000, uniform)).poor, false);
  assert.equal(referenceOf(repeat(100, uniform)).poor, true);
  assert.equal(referenceOf(repeat(100, () => 7)).poor, false, "few bins need few rows");
  assert.equal(referenceOf(repeat(40, () => 7)).poor, true);
  assert.equal(referenceOf(repeat(40, () => Number.NaN)).poor, true);
});
