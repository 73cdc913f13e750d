import assert from "node:assert/strict";
import { test } from "node:test";
import { ScoreBatch } from "./score-batch.ts";

const v1 = { version: "v1", artifact: "a".repeat(64), before: null };
const v2 = { version: "v2", artifact: "b".repeat(64), before: null };

const noNews = { putAside: [], asksNews: false, heard: 0, knownAt: 0 };

function add(batch: ScoreBatch, model: typeof v1, offset: number, values: readonly number[]): void {
  const start = batch.vectors.add();
  batch.vectors.values.set(values, start);
  batch.add(model, 3, offset);
}

test("rows come in the order of their triggers, each with its model and its place in the input", () => {
  const batch = new ScoreBatch(2);
  add(batch, v1, 7, [1, 2]);
  add(batch, v1, 8, [3, Number.NaN]);
  add(batch, v2, 2 ** 40, [5, 6]);
  add(batch, v1, 9, [7, 8]);
  const { service, payload } = batch.work({
    putAside: ["v0"],
    asksNews: true,
    heard: 2,
    knownAt: 5,
  });
  assert.equal(service, "score");
  assert.deepEqual(payload, {
    // In the order of their first use, each once: rows of one model go to it together.
    versions: ["v1", "v2"],
    artifacts: [v1.artifact, v2.artifact],
    versionOf: Uint16Array.of(0, 0, 1, 0),
    rows: Float64Array.of(1, 2, 3, Number.NaN, 5, 6, 7, 8),
    features: 2,
    sourcePartitions: Uint16Array.of(3, 3, 3, 3),
    sourceOffsets: Float64Array.of(7, 8, 2 ** 40, 9),
    putAside: ["v0"],
    asksNews: true,
    heard: 2,
    knownAt: 5,
  });
});

test("a batch of more rows than it had room for keeps them all, and one that is cleared none", () => {
  const batch = new ScoreBatch(3);
  for (let row = 0; row < 1_000; row++) add(batch, v1, row, [row, -row, row / 7]);
  const { payload } = batch.work(noNews);
  assert.equal(payload.rows.length, 3_000);
  for (let row = 0; row < 1_000; row++) {
    assert.deepEqual([...payload.rows.subarray(3 * row, 3 * row + 3)], [row, -row, row / 7]);
  }
  assert.deepEqual(payload.versions, ["v1"]);
  batch.clear();
  add(batch, v2, 1, [9, 9, 9]);
  const again = batch.work(noNews).payload;
  assert.deepEqual(again.versions, ["v2"]);
  assert.deepEqual([...again.rows], [9, 9, 9]);
  assert.deepEqual([...again.sourceOffsets], [1]);
});

test("rows that are kept for another round stand in the places that they then have", () => {
  const batch = new ScoreBatch(1);
  for (let row = 0; row < 5; row++) add(batch, v2, row, [row * 10]);
  batch.again();
  const kept = [1, 3, 4].map((row) => batch.keep(row, row === 3 ? v2 : v1, 9, row));
  batch.vectors.rows = batch.rows;
  add(batch, v2, 5, [50]);
  const { payload } = batch.work(noNews);
  assert.deepEqual(kept, [0, 1, 2]);
  assert.deepEqual([...payload.rows], [10, 30, 40, 50]);
  assert.deepEqual([...payload.sourceOffsets], [1, 3, 4, 5]);
  assert.deepEqual(payload.versions, ["v1", "v2"]);
  assert.deepEqual([...payload.versionOf], [0, 1, 0, 1]);
});
