import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import {
  drive,
  type LoopRecord,
  RecordingOutbox,
  scoringOperator,
  settleBy,
} from "./loop-fixture.ts";
import { failuresInARow } from "./scoring/model-register.ts";
import { ScoringProcessor } from "./scoring.ts";
import { departure, model, type Prediction, part } from "./scoring-fixture.ts";

const { scoring } = scoringOperator;
const chained = {
  ...scoringOperator,
  scoring: { ...scoring, fallback: { ...scoring.fallback, previous: true as const } },
};

/** Predictions with the answers of versions (NaN: it fails), work cut every so many records. */
function predict(
  records: readonly LoopRecord[],
  score: (vector: Float64Array, version: string) => number,
  every: number,
): readonly Prediction[] {
  let processor = new ScoringProcessor(chained, part);
  const out = new RecordingOutbox();
  // As a task does: what asks again is answered before another record.
  const settle = (): void => {
    do settleBy(processor, out, score);
    while (processor.asks);
  };
  let steps = 0;
  const between = (): void => {
    if (++steps % every !== 0) return;
    settle();
    const snapshot = new ByteWriter();
    processor.snapshot(snapshot);
    processor = new ScoringProcessor(chained, part);
    processor.restore(new ByteReader(snapshot.take()));
  };
  settle();
  drive(part, records, 1_000, () => processor, out, between);
  settle();
  return out.written.filter(({ output }) => output === 0).map(({ value }) => value as Prediction);
}

/** v1 answers 0.1, v2 fails from the first row on, v3 answers 0.3. */
const records = [
  model("v1", 1),
  ...Array.from({ length: 5 }, (_, id) => departure(id, 10 + id)).flat(),
  model("v2", 20),
  ...Array.from({ length: 30 }, (_, id) => departure(100 + id, 21 + id)).flat(),
  model("v3", 80),
  ...Array.from({ length: 3 }, (_, id) => departure(200 + id, 90 + id)).flat(),
];
const answers: Readonly<Record<string, number>> = { v1: 0.1, v2: Number.NaN, v3: 0.3 };

test("the version before answers in place of one that is put aside, however work is cut", () => {
  const whole = predict(records, (_, version) => answers[version] as number, 1_000_000);
  const versions = whole.map(({ version }) => version);
  const failing = Array.from({ length: failuresInARow }, () => null);
  const before = Array.from({ length: 30 - failuresInARow }, () => "v1");
  assert.deepEqual(versions, [
    ..."v1 v1 v1 v1 v1".split(" "),
    ...failing,
    ...before,
    "v3",
    "v3",
    "v3",
  ]);
  for (const { version, probability } of whole) {
    assert.equal(probability, version === null ? scoring.fallback.value : answers[version]);
  }
  for (const every of [1, 2, 7, 40]) {
    const cut = predict(records, (_, version) => answers[version] as number, every);
    assert.deepEqual(cut, whole, `work cut every ${every} records`);
  }
});

test("where the version before fails as well, the prior answers", () => {
  const failing = (_: Float64Array, version: string) => (version === "v3" ? 0.3 : Number.NaN);
  for (const every of [1, 7, 1_000_000]) {
    const versions = predict(records, failing, every).map(({ version }) => version);
    const none = Array.from({ length: 35 }, () => null);
    assert.deepEqual(versions, [...none, "v3", "v3", "v3"], `work cut every ${every} records`);
  }
});
