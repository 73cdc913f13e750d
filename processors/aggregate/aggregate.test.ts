import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { AnyAlgebra, Parameters } from "./aggregate.ts";
import { aggregateKind, aggregateKinds } from "./registry.ts";
import { fromScaled, scaleBits, toScaled } from "./scaled-integer.ts";

const kinds = Object.keys(aggregateKinds);

function parametersOf(probability = 0.9): Parameters {
  return { parameters: { probability } };
}

function algebra(kind: string, probability = 0.9): AnyAlgebra {
  return aggregateKind(kind).exact(parametersOf(probability));
}

/** Ties, negatives, fractions, a narrow band far from zero, the tiny and the huge, and nulls. */
const anyValue = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 2, arbitrary: fc.double({ min: -3, max: 3, noNaN: true }) },
  { weight: 2, arbitrary: fc.double({ min: 1e5, max: 1e5 + 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53, -(2 ** 53) + 1, 1e300, -1e300, 5e-324, -0) },
  { weight: 1, arbitrary: fc.constantFrom(1.7e308, -1.7e308, Number.MAX_VALUE) },
  { weight: 1, arbitrary: fc.constantFrom(Infinity, -Infinity, Number.NaN) },
);
const anyValues = fc.array(anyValue, { maxLength: 40 });

/** Of values with a time each: 0, 1, 2, … from `first` on. */
function stateOf(of: AnyAlgebra, values: readonly number[], first = 0): object {
  const state = of.prepare();
  for (const [i, value] of values.entries()) of.update(state, value, first + i);
  return state;
}

/** From the definition, over the values that are not skipped. */
function naive(kind: string, values: readonly number[], probability: number): number {
  const known = [...values.entries()].filter(([, value]) => !Number.isNaN(value));
  const found = aggregateKind(kind).naive(
    known.map(([, value]) => value),
    parametersOf(probability),
    known.map(([time]) => time),
  );
  return found ?? Number.NaN;
}

function assertIs(kind: string, actual: number, expected: number): void {
  const { tolerance } = aggregateKind(kind);
  const near = Math.abs(actual - expected) <= tolerance.naive * Math.abs(expected) + 5e-324;
  const isIt = actual === expected || Object.is(actual, expected);
  assert.ok(isIt || (tolerance.naive > 0 && near), `${kind}: ${actual}, ${expected}`);
}

test("each kind of aggregate is listed under its own name", () => {
  for (const [name, { kind }] of Object.entries(aggregateKinds)) assert.equal(name, kind);
  assert.throws(() => aggregateKind("constructor"), RangeError);
});

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

  test(`${kind}: retract is the inverse of update, in whatever order they came, to the last bit`, () => {
    fc.assert(
      fc.property(anyValues, anyValues, fc.nat(), (leaving, kept, draw) => {
        const of = algebra(kind);
        const state = of.prepare();
        const all = [...[...leaving, ...kept].entries()];
        const turn = all.length === 0 ? 0 : draw % all.length;
        for (const [time, value] of [...all.slice(turn), ...all.slice(0, turn)]) {
          of.update(state, value, time);
        }
        for (const [time, value] of leaving.entries()) of.retract(state, value, time);
        assert.ok(Object.is(of.finalize(state), of.finalize(stateOf(of, kept, leaving.length))));
      }),
      { numRuns: 200 },
    );
  });
}

test("without values counts are 0 and every other aggregate is null", () => {
  for (const kind of kinds) {
    const of = algebra(kind);
    const empty = aggregateKind(kind).output === "count" ? 0 : Number.NaN;
    assert.equal(of.finalize(of.prepare()), empty);
    assert.equal(of.finalize(stateOf(of, [Number.NaN, Number.NaN])), empty);
  }
});

test("infinite values count as infinite while they are in the window", () => {
  const infinity = Number.POSITIVE_INFINITY;
  for (const kind of ["sum", "mean", "stddev"] as const) {
    const of = algebra(kind);
    const state = stateOf(of, [1, infinity, 3]);
    assert.equal(of.finalize(state), kind === "stddev" ? Number.NaN : infinity);
    of.update(state, -infinity, 3);
    assert.equal(of.finalize(state), Number.NaN);
    of.retract(state, infinity, 1);
    of.retract(state, -infinity, 3);
    assert.equal(of.finalize(state), of.finalize(stateOf(of, [1, 3])));
  }
});

test("near the largest double a sum is infinite, but neither mean nor deviation", () => {
  const expected = { sum: Infinity, mean: 1.7e308, stddev: 0 };
  for (const [kind, value] of Object.entries(expected)) {
    const exact = algebra(kind);
    const state = stateOf(exact, [1.7e308, 3, 1.7e308]);
    exact.retract(state, 3, 1);
    assert.equal(exact.finalize(state), value);
    const tiled = aggregateKind(kind).tiled(parametersOf());
    const window = tiled.prepare();
    const tile = tiled.prepare();
    for (const each of [1.7e308, 1.7e308]) tiled.update(window, each, 2);
    for (const each of [3, -1.7e308]) tiled.update(tile, each, 1);
    tiled.merge(window, tile);
    tiled.remove(window, tile);
    assert.equal(tiled.finalize(window), value);
  }
});

test("the deviation of a million values in [1e5, 1e5 + 1] has a relative error below 1e-12", () => {
  const of = algebra("stddev");
  const state = of.prepare();
  const n = 1_000_000;
  for (let i = 0; i < n; i++) of.update(state, 1e5 + i / n, i);
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
