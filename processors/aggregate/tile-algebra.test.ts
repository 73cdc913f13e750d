import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import type { AggregateKind, AnyTileAlgebra } from "./aggregate.ts";
import { quantile } from "./quantile.ts";
import { aggregateKinds } from "./registry.ts";
import { bucketOf, exactBits, middleOf } from "./value-buckets.ts";
import { bucketsMax, ValueSummary } from "./value-summary.ts";

const parameters = { probability: 0.9 };

const anyValue = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -5, max: 5 }) },
  { weight: 2, arbitrary: fc.double({ min: -3, max: 3, noNaN: true }) },
  { weight: 1, arbitrary: fc.double({ noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 53, 1e300, -1e300, 5e-324, -0, Number.NaN) },
);
const tilesOfValues = fc.array(fc.array(anyValue, { maxLength: 12 }), { maxLength: 8 });

/** Of values with a time each: 0, 1, 2, … from `first` on. */
function stateOf(
  of: Pick<AnyTileAlgebra, "prepare" | "update">,
  values: readonly number[],
  first = 0,
) {
  const state = of.prepare();
  for (const [i, value] of values.entries()) of.update(state, value, first + i);
  return state;
}

/** A state for each tile: the values of one are older than those of the next. */
function statesOf(of: AnyTileAlgebra, tiles: readonly (readonly number[])[]): object[] {
  return tiles.map((values, i) => stateOf(of, values, tiles.slice(0, i).flat().length));
}

function bytesOf(of: AnyTileAlgebra, state: object): Buffer {
  const writer = new ByteWriter();
  of.write(state, writer);
  return writer.take();
}

for (const { kind, exact: exactOf, tiled } of Object.values<AggregateKind>(aggregateKinds)) {
  test(`${kind} of tiles merged in any order is that of their values, after tiles left as before`, () => {
    fc.assert(
      fc.property(tilesOfValues, fc.nat(8), fc.nat(), (tiles, leaving, draw) => {
        const exact = exactOf({ parameters });
        const of = tiled({ parameters });
        const states = statesOf(of, tiles);
        let window = of.prepare();
        const turn = tiles.length === 0 ? 0 : draw % tiles.length;
        for (const state of [...states.slice(turn), ...states.slice(0, turn)]) {
          of.merge(window, state);
        }
        const all = exact.finalize(stateOf(exact, tiles.flat()));
        assert.ok(Object.is(of.finalize(window), all), `${of.finalize(window)}, ${all}`);
        let isTorn = false;
        for (const state of states.slice(0, leaving)) {
          if (!of.remove(window, state)) isTorn = true;
        }
        if (isTorn) {
          window = of.prepare();
          for (const state of states.slice(leaving)) of.merge(window, state);
        }
        const gone = tiles.slice(0, leaving).flat().length;
        const left = exact.finalize(stateOf(exact, tiles.slice(leaving).flat(), gone));
        assert.ok(Object.is(of.finalize(window), left), `${of.finalize(window)}, ${left}`);
      }),
      { numRuns: 200 },
    );
  });

  test(`${kind}: what was written is read and goes on byte for byte`, () => {
    fc.assert(
      fc.property(tilesOfValues, fc.array(anyValue, { maxLength: 12 }), (tiles, more) => {
        const of = tiled({ parameters });
        const states = statesOf(of, tiles);
        const state = of.prepare();
        for (const tile of states) of.merge(state, tile);
        const bytes = bytesOf(of, state);
        const reader = new ByteReader(bytes);
        const restored = of.read(reader);
        assert.ok(reader.done);
        for (const each of [state, restored]) {
          for (const value of more) of.update(each, value, 1_000);
          for (const tile of states.slice(0, 2)) of.remove(each, tile);
        }
        assert.ok(bytesOf(of, restored).equals(bytesOf(of, state)));
        assert.ok(Object.is(of.finalize(restored), of.finalize(state)));
      }),
      { numRuns: 100 },
    );
  });
}

/** Deterministic numbers in [0, 1). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function assertQuantiles(summary: ValueSummary, values: readonly number[], bound: number): void {
  const sorted = Float64Array.from(values).sort();
  assert.equal(summary.size, sorted.length);
  for (let rank = 0; rank < sorted.length; rank += 1 + (sorted.length >>> 6)) {
    const value = sorted[rank] as number;
    const error = Math.abs(summary.at(rank) - value);
    assert.ok(error <= bound * Math.abs(value), `${summary.at(rank)} instead of ${value}`);
  }
}

test("up to 1,024 different values every rank of a summary is exact", () => {
  const random = randomNumbers(1);
  const values = Array.from({ length: bucketsMax }, () => random() * 1e6 - 5e5);
  const many = [...values, ...values.slice(0, 500)];
  const summary = new ValueSummary();
  for (const value of many) summary.update(value);
  assertQuantiles(summary, many, 0);
});

test("beyond that every rank is within 2^−7 of its value, in summaries that are merged and shrink", () => {
  const random = randomNumbers(2);
  const tiles = Array.from({ length: 30 }, () =>
    Array.from({ length: 300 }, () => (random() < 0.3 ? -1 : 1) * (2 + 250 * random() ** 3)),
  );
  const parts = tiles.map((values) => {
    const part = new ValueSummary();
    for (const value of values) part.update(value);
    return part;
  });
  const window = new ValueSummary();
  for (const part of parts) window.merge(part);
  assertQuantiles(window, tiles.flat(), 2 ** -7);
  for (let left = 0; left < 29; left++) {
    window.remove(parts[left] as ValueSummary);
    assertQuantiles(window, tiles.slice(left + 1).flat(), 2 ** -7);
  }
  window.remove(parts[29] as ValueSummary);
  assert.equal(window.size, 0);
  window.update(0.1);
  assert.equal(window.at(0), 0.1);
});

test("the wider the values the coarser a summary, never beyond its buckets", () => {
  const random = randomNumbers(3);
  const values = Array.from({ length: 20_000 }, () => 10 ** (60 * random() - 30));
  const summary = new ValueSummary();
  for (const value of values) summary.update(value);
  // 200 powers of 2 over 1,024 buckets: 4 a power, 2 bits.
  assertQuantiles(summary, values, 2 ** -3);
  const writer = new ByteWriter();
  summary.write(writer);
  assert.ok(writer.position <= 3 + 16 * bucketsMax);
});

test("a coarse summary that was written and read goes on byte for byte", () => {
  const random = randomNumbers(4);
  const of = quantile.tiled({ parameters });
  const part = of.prepare();
  for (let i = 0; i < 1_500; i++) of.update(part, 100 * random(), i);
  const state = of.prepare();
  of.merge(state, part);
  for (let i = 0; i < 3_000; i++) of.update(state, 100 * random() - 50, i);
  const restored = of.read(new ByteReader(bytesOf(of, state)));
  for (const each of [state, restored]) {
    of.update(each, 1 / 3, 3_000);
    of.remove(each, part);
  }
  assert.ok(bytesOf(of, restored).equals(bytesOf(of, state)));
  assert.equal(of.finalize(restored), of.finalize(state));
});

const subnormal = fc.bigInt(-(2n ** 52n), 2n ** 52n).map((units) => Number(units) * 5e-324);

test("quantiles of subnormal values over tiles keep their bound", () => {
  const random = randomNumbers(5);
  const values = Array.from({ length: 5_000 }, () => Math.ceil(random() * 2 ** 40) * 5e-324);
  const summary = new ValueSummary();
  for (const value of values) summary.update(value);
  assertQuantiles(summary, values, 2 ** -7);
});

test("a bucket holds its values, and its middle is near to each", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.double({ noNaN: true }), subnormal),
      fc.integer({ min: 0, max: 6 }),
      (value, bits) => {
        const bucket = bucketOf(value, bits);
        assert.ok(Math.abs(bucket) <= Math.abs(value));
        assert.ok(!Object.is(bucket, -0));
        assert.equal(bucketOf(bucketOf(value, exactBits), bits), bucket);
        assert.equal(bucketOf(bucket, bits), bucket);
        const middle = middleOf(bucket, bits);
        if (Number.isFinite(value)) {
          assert.ok(Math.abs(middle - value) <= 2 ** -(bits + 1) * Math.abs(value));
        } else assert.equal(middle, value);
      },
    ),
  );
});
