import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../schemas/bytes.ts";
import { readModelAnswer, writeJson } from "../schemas/json-payload.ts";
import { loopPlan, modelAnswer, operatorOf, partOf, RecordingOutbox } from "./loop-fixture.ts";
import { TrainingProcessor } from "./training.ts";

const plan = loopPlan();
const part = partOf(plan, "training");
const make = () => new TrainingProcessor(operatorOf(part, "training"), part);

function request(processor: TrainingProcessor, number: number, cutoff: number) {
  const writer = new ByteWriter();
  writeJson(writer, { id: `retraining-${number}`, number, reasons: ["every"], cutoff });
  processor.process(0, 0, cutoff, new ByteReader(writer.take()));
}

function settle(
  processor: TrainingProcessor,
  out: RecordingOutbox,
  version: string,
  promoted: boolean,
  effectiveFrom = 0,
  gainLowerBound: number | null = null,
  championVersion: string | null = null,
) {
  const writer = new ByteWriter();
  const sha256 = promoted ? version.repeat(2) : "";
  const answer = { version, promoted, sha256, effectiveFrom, gainLowerBound, championVersion };
  writeJson(writer, modelAnswer(answer));
  processor.settle(new ByteReader(writer.take()), out);
}

test("every answer, refused ones too, goes to scoring and watch at cutoff + trainingTime, and says when it takes effect", () => {
  const processor = make();
  const out = new RecordingOutbox();
  assert.equal(processor.takeWork(), null);
  request(processor, 1, 1_000);
  const work = processor.takeWork();
  assert.equal(work?.payload.promoted, null);
  settle(processor, out, "v1", false, 1_060);
  request(processor, 2, 2_000);
  settle(processor, out, "v2", true, 2_013);
  assert.deepEqual(
    out.written.map(({ output, knownAt }) => [output, knownAt]),
    [
      [0, 1_060],
      [1, 1_060],
      [2, 1_060],
      [0, 2_013],
      [1, 2_060],
      [2, 2_060],
    ],
  );
  const sent = readModelAnswer(new ByteReader(out.written[4]?.bytes as Buffer));
  assert.equal(sent.version, "v2");
  assert.equal(sent.effectiveFrom, 2_013, "it takes effect as answered");
  const published = (out.written[0]?.value ?? {}) as { reference?: string };
  assert.equal(published.reference, "[]");
});

test("the last promoted model is the champion to beat, across a restore", () => {
  const processor = make();
  const out = new RecordingOutbox();
  request(processor, 1, 1_000);
  settle(processor, out, "v1", true, 7);
  request(processor, 2, 2_000);
  settle(processor, out, "v2", false);
  request(processor, 3, 3_000);
  const snapshot = new ByteWriter();
  processor.snapshot(snapshot);
  const restored = make();
  restored.restore(new ByteReader(snapshot.take()));
  const work = restored.takeWork();
  assert.deepEqual(work, processor.takeWork());
  assert.deepEqual(work?.payload.promoted, { version: "v1", artifact: "v1v1", effectiveFrom: 7 });
});

test("a champion's looks are counted, across a restore: comparisons alone, from each that is new", () => {
  let processor = make();
  const out = new RecordingOutbox();
  const looks: unknown[] = [];
  const answers: [boolean, number | null, string | null][] = [
    [true, null, null],
    [false, -0.01, "v1"],
    [false, null, "v1"],
    [false, -0.02, "v1"],
    [true, 0.01, "v1"],
    [false, -0.01, "v5"],
    // Somebody has named another.
    [false, -0.01, "r1"],
    [false, -0.01, "r1"],
    [false, -0.01, "v5"],
  ];
  for (const [i, [promoted, bound, champion]] of answers.entries()) {
    request(processor, i + 1, (i + 1) * 1_000);
    const snapshot = new ByteWriter();
    processor.snapshot(snapshot);
    processor = make();
    processor.restore(new ByteReader(snapshot.take()));
    const work = processor.takeWork();
    looks.push([work?.payload.against, work?.payload.looks]);
    settle(processor, out, `v${i + 1}`, promoted, 0, bound, champion);
  }
  assert.deepEqual(looks, [
    ["", 0],
    ...[0, 1, 1, 2].map((n) => ["v1", n]),
    ["v5", 0],
    ["v5", 1],
    ["r1", 1],
    ["r1", 2],
  ]);
});
