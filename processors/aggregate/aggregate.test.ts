import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AggregateKind } from "../../schemas/feature-view.ts";
import type { AnyAlgebra } from "./registry.ts";
import { algebraOf } from "./registry.ts";
import { fromScaled, scaleBits, toScaled } from "./scaled-integer.ts";

const kinds: readonly AggregateKind[] = [
  "count",
  "sum",
  "mean",
  "share",
  "min",
  "max",
  "stddev",
  "quantile",
];

function algebra(kind: AggregateKind, probability = 0.9): AnyAlgebra {
  return algebraOf({ kind, probability });
}

/** Ties, negatives, fractions, a narrow band far from zero, the tiny and the huge, and nulls. */
const anyValue = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 2, arbitrary: fc.double({ min: -3, max: 3, noNaN: true }) },
  { weight: 2, arbitrary: fc.double({ min: 1e5, max: 1e5 + 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53, -(2 ** 53) + 1, 1e300, -1e300, 5e-324, -0) },
  { weight: 1, arbitrary: fc.constant(Number.NaN) },
);
const anyValues = fc.array(anyValue, { maxLength: 40 });

function stateOf(of: AnyAlgebra, values: readonly number[]): object {
  const state = of.prepare();
  for (const value of values) of.update(state, value);
  return state;
}

/** From the definitions, in exact rational numbers where it matters. */
function naive(kind: AggregateKind, values: readonly number[], probability: number): number {
  const known = values.filter((value) => !Number.isNaN(value));
  if (kind === "count") return values.length;
  const n = known.length;
  if (n === 0) return Number.NaN;
  const sorted = Float64Array.from(known, (value) => value + 0).sort();
  const exact = known.reduce((total, value) => total + toScaled(value), 0n);
  switch (kind) {
    case "sum":
      return fromScaled(exact);
    case "mean":
    case "share":
      return fromScaled(exact) / n;
    case "min":
      return sorted[0] as number;
    case "max":
      return sorted[n - 1] as number;
    case "quantile":
      return sorted.find((_, i) => i + 1 >= probability * n - 1e-12) as number;
    default:
      return naiveDeviation(known, exact);
  }
}

/** √(Σ(n·x − Σx)² / n³) by integers, to 60 bits and more. */
function naiveDeviation(known: readonly number[], exact: bigint): number {
  const n = BigInt(known.length);
  const squares = known.reduce((total, value) => total + (n * toScaled(value) - exact) ** 2n, 0n);
  return fromScaled(root((squares << 200n) / n ** 3n) >> 100n);
}

/** The largest integer whose square is at most `square`. */
function root(square: bigint): bigint {
  if (square < 2n) return square;
  let x = 1n << BigInt((square.toString(2).length / 2 + 1) | 0);
  for (;;) {
    const y = (x + square / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

function assertClose(actual: number, expected: number, what: string): void {
  const near = Math.abs(actual - expected) <= 1e-13 * Math.abs(expected) + 5e-324;
  assert.ok(Object.is(actual, expected) || near, `${what}: ${actual} instead of ${expected}`);
}

function assertIs(kind: AggregateKind, actual: number, expected: number): void {
  if (kind === "stddev") assertClose(actual, expected, kind);
  else
    assert.ok(
      actual === expected || Object.is(actual, expected),
      `${kind}: ${actual}, ${expected}`,
    );
}

for (const kind of kinds) {
  test(`${kind} gives what its definition gives`, () => {
    fc.assert(
      fc.property(anyValues, fc.constantFrom(0.01, 0.07, 0.25, 0.5, 0.9, 0.99), (values, p) => {
        const of = algebra(kind, p);
        assertIs(kind, of.finalize(stateOf(of, values)), naive(kind, values, p));
      }),
      { numRuns: 200 },
    );
  });

  test(`${kind}: retract is the inverse of update, in any order, to the last bit`, () => {
    fc.assert(
      fc.property(anyValues, anyValues, fc.nat(), (kept, passing, draw) => {
        const of = algebra(kind);
        const state = of.prepare();
        const all = [...kept, ...passing];
        const turn = all.length === 0 ? 0 : draw % all.length;
        for (const value of [...all.slice(turn), ...all.slice(0, turn)]) of.update(state, value);
        for (const value of passing) of.retract(state, value);
        assert.ok(Object.is(of.finalize(state), of.finalize(stateOf(of, kept))));
      }),
      { numRuns: 200 },
    );
  });

  test(`${kind}: merge is associative, and merged parts equal the whole`, () => {
    fc.assert(
      fc.property(anyValues, anyValues, anyValues, (a, b, c) => {
        const of = algebra(kind);
        const left = stateOf(of, a);
        of.merge(left, stateOf(of, b));
        of.merge(left, stateOf(of, c));
        const tail = stateOf(of, b);
        of.merge(tail, stateOf(of, c));
        const right = stateOf(of, a);
        of.merge(right, tail);
        const whole = of.finalize(stateOf(of, [...a, ...b, ...c]));
        assert.ok(Object.is(of.finalize(left), whole));
        assert.ok(Object.is(of.finalize(right), whole));
      }),
      { numRuns: 100 },
    );
  });
}

test("without values count is 0 and every other aggregate is null", () => {
  for (const kind of kinds) {
    const of = algebra(kind);
    const empty = kind === "count" ? 0 : Number.NaN;
    assert.equal(of.finalize(of.prepare()), empty);
    const nulls = stateOf(of, [Number.NaN, Number.NaN]);
    assert.equal(of.finalize(nulls), kind === "count" ? 2 : Number.NaN);
  }
});

test("infinite values count as infinite while they are in the window", () => {
  const infinity = Number.POSITIVE_INFINITY;
  for (const kind of ["sum", "mean", "stddev"] as const) {
    const of = algebra(kind);
    const state = stateOf(of, [1, infinity, 3]);
    assert.equal(of.finalize(state), kind === "stddev" ? Number.NaN : infinity);
    of.update(state, -infinity);
    assert.equal(of.finalize(state), Number.NaN);
    of.retract(state, infinity);
    of.retract(state, -infinity);
    assert.equal(of.finalize(state), of.finalize(stateOf(of, [1, 3])));
  }
});

test("the deviation of a million values in [1e5, 1e5 + 1] has a relative error below 1e-12", () => {
  const of = algebra("stddev");
  const state = of.prepare();
  const n = 1_000_000;
  for (let i = 0; i < n; i++) of.update(state, 1e5 + i / n);
  const expected = Math.sqrt((n * n - 1) / 12) / n;
  assert.ok(Math.abs(of.finalize(state) / expected - 1) < 1e-12);
});

test("equal values deviate by nothing", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(200), (value, more) => {
      const of = algebra("stddev");
      assert.equal(of.finalize(stateOf(of, new Array(more + 1).fill(value))), 0);
    }),
  );
});

test("scaled integers are exact both ways", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
      assert.equal(fromScaled(toScaled(value)), value + 0);
    }),
  );
  assert.equal(toScaled(1), 1n << scaleBits);
  assert.equal(fromScaled((1n << (1023n + scaleBits)) * 4n), Number.POSITIVE_INFINITY);
});
