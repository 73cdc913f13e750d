import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { agg } from "../../topologies/dsl/aggregates.ts";
import { gt } from "../../topologies/dsl/conditions.ts";
import { DistinctSummary, distinct, distinctMax } from "./distinct.ts";
import { givenOver } from "./payments-fixture.ts";
import { identityOf, readInput } from "./read-input.ts";

const payments = [
  [10, 5],
  [20, null],
  [30, 5],
  [40, 9],
  [45, 2],
  [200, 3],
] as const;

test("different values are counted once while one of them is in the window", async () => {
  for (const exactLimit of [4_096, 1]) {
    const all = await givenOver(agg.distinct("amount"), payments, 230, exactLimit);
    assert.deepEqual(all.predicted, [0, 1, 1, 1, 2, 0]);
    assert.equal(all.online, 1);
    assert.equal(Math.max(...all.rows.map(Number)), 3);
  }
});

test("different values of the records for which a test holds", async () => {
  const large = await givenOver(agg.distinct("amount", { where: gt("amount", 4) }), payments, 230);
  assert.deepEqual(large.predicted, [0, 1, 1, 1, 2, 0]);
});

function summaryOf(first: number, values: number): DistinctSummary {
  const summary = new DistinctSummary();
  for (let i = first; i < first + values; i++) {
    summary.update(i);
    summary.update(i);
  }
  return summary;
}

test("over tiles 512 different values are told apart, and more are estimated within 5 standard errors", () => {
  assert.equal(summaryOf(0, distinctMax).count(), distinctMax);
  for (const values of [distinctMax + 1, 2_000, 20_000, 200_000, 1_000_000]) {
    const count = summaryOf(values, values).count();
    assert.ok(count > distinctMax);
    assert.ok(Math.abs(count / values - 1) < 5 * 0.01625, `${count} of ${values}`);
  }
});

test("a sketch is that of its values, in whatever parts and order they came", () => {
  const parts = [summaryOf(0, 300), summaryOf(200, 900), summaryOf(5_000, 40)];
  const [a = new DistinctSummary(), b = a, c = a] = parts;
  const written = [
    [a, b, c],
    [c, b, a],
    [b, a, c],
  ].map((order) => {
    const whole = new DistinctSummary();
    for (const part of order) whole.merge(part);
    const writer = new ByteWriter();
    whole.write(writer);
    return writer.take();
  });
  assert.ok(written.every((bytes) => bytes.equals(written[0] as Buffer)));
  const read = DistinctSummary.read(new ByteReader(written[0]));
  const writer = new ByteWriter();
  read.write(writer);
  assert.ok(writer.take().equals(written[0] as Buffer));
});

test("a sketch cannot forget, so that a window is merged anew and exact once there are few again", () => {
  const of = distinct.tiled();
  const [many, few] = [summaryOf(0, 1_000), summaryOf(5_000, 40)];
  const window = of.prepare();
  of.merge(window, many);
  of.merge(window, few);
  assert.ok(of.finalize(window) > distinctMax);
  assert.equal(of.remove(window, many), false);
  const anew = of.prepare();
  of.merge(anew, few);
  assert.equal(of.finalize(anew), 40);
});

test("texts and whole numbers beyond doubles are told apart", () => {
  const of = distinct.exact();
  const state = of.prepare();
  const values = ["", "a", "b", "ab", "ba", "a", 9007199254740993n, 9007199254740992n, null];
  for (const code of values) {
    of.update(state, readInput({ field: "code", identity: true }, { code }), 1);
  }
  assert.equal(of.finalize(state), 7);
  const hashes = new Set(Array.from({ length: 200_000 }, (_, i) => identityOf(`shop ${i}`)));
  assert.equal(hashes.size, 200_000);
});
