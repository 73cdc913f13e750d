import assert from "node:assert/strict";
import { test } from "node:test";
import { rowStates, type ScoreWork } from "../../../processors/scoring/score-work.ts";
import type { Decision } from "../../../schemas/generated.ts";
import { scoring } from "./score-service.ts";
import { encodeScoreResult } from "./scorer.ts";

const { answered, late, failed } = rowStates;

/** Four rows of two versions: the first of partition 2 from offset 10 on. */
const work: ScoreWork = {
  versions: ["v1", "v2"],
  artifacts: ["a", "b"],
  versionOf: Uint16Array.of(0, 1, 0, 1),
  rows: Float64Array.of(0, 1, 10, 11, 20, 21, 30, 31),
  features: 2,
  sourcePartitions: new Uint16Array(4).fill(2),
  sourceOffsets: Float64Array.of(10, 11, 12, 13),
  putAside: [],
  asksNews: false,
  heard: 0,
  knownAt: 0,
};

function decision(kind: "deadline" | "failed", position: number, input: string | null): Decision {
  return { kind, input, writer: 2, position } as Decision;
}

function resultOf(probabilities: readonly number[]): Buffer {
  return encodeScoreResult({
    probabilities: Float64Array.from(probabilities),
    latencyMs: Float64Array.from(probabilities, (_, row) => row + 1),
    states: new Uint8Array(probabilities.length),
    failure: null,
  });
}

/** Probabilities, and states. */
function read(result: Buffer | null | undefined) {
  const bytes = result ?? Buffer.alloc(0);
  const rows = bytes.length / 17;
  const each = Array.from({ length: rows }, (_, row) => row);
  return [each.map((row) => bytes.readDoubleLE(row * 8)), [...bytes.subarray(rows * 16)]];
}

test("read again, a row that had no score is not asked for, and has none", () => {
  const decisions = [decision("failed", 11, "v2"), decision("deadline", 12, null)];
  const repeated = scoring.repeat([...decisions, decision("failed", 10, "v2")]);
  assert.equal(repeated.known(work), undefined);
  const left = repeated.left?.(work) as ScoreWork;
  assert.deepEqual([...left.rows], [0, 1, 30, 31]);
  assert.deepEqual(
    [[...left.versionOf], [...left.sourceOffsets]],
    [
      [0, 1],
      [10, 13],
    ],
  );
  assert.deepEqual(read(repeated.settled(work, resultOf([0.25, 0.75]))), [
    [0.25, Number.NaN, Number.NaN, 0.75],
    [answered, failed, late, answered],
  ]);
});

test("read again, work without a row that had a score is not done", () => {
  const all = [10, 11, 12, 13].map((position) => decision("failed", position, null));
  const repeated = scoring.repeat(all);
  const none = [new Array(4).fill(Number.NaN), new Array(4).fill(failed)];
  const known = repeated.known(work) as Buffer;
  assert.deepEqual(read(known), none);
  assert.deepEqual(read(repeated.settled(work, known)), none);
});

test("read again without decisions, all rows are asked for, and the result is that of the model", () => {
  const repeated = scoring.repeat([]);
  assert.equal(repeated.known(work), undefined);
  assert.equal(repeated.left?.(work), work);
  const result = resultOf([0, 0.25, 0.5, 1]);
  assert.equal(repeated.settled(work, result), result);
});

/** Twelve rows of one version: ten that it failed at between an answer and one more. */
function failing(offsets: (row: number) => number): ScoreWork {
  const row = Array.from({ length: 12 }, (_, each) => each);
  return {
    ...{ ...work, versions: ["v1"], artifacts: ["a"], versionOf: new Uint16Array(12) },
    ...{ rows: Float64Array.from(row), features: 1, sourcePartitions: new Uint16Array(12).fill(2) },
    sourceOffsets: Float64Array.from(row, offsets),
  };
}

test("read again, a version that is put aside by the rows before is not asked for those behind", () => {
  const decisions = Array.from({ length: 10 }, (_, n) => decision("failed", n + 1, "v1"));
  const leftOf = (of: ScoreWork, decided = decisions) => [
    ...(scoring.repeat(decided).left?.(of) ?? of).sourceOffsets,
  ];
  const whole = failing((row) => row);
  assert.deepEqual(leftOf(whole), [0]);
  const repeated = scoring.repeat(decisions);
  assert.deepEqual(read(repeated.settled(whole, resultOf([0.5]))), [
    [0.5, ...new Array(11).fill(Number.NaN)],
    [answered, ...new Array(11).fill(failed)],
  ]);
  // Nine of them in a row put nothing aside, nor do ten with a row between that may have an answer.
  assert.deepEqual(leftOf(whole, decisions.slice(1)), [0, 1, 11]);
  const parted = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10].map((at) => decision("failed", at, "v1"));
  assert.deepEqual(leftOf(whole, parted), [5, 11]);
  // Those that it failed at before count, until it may have answered.
  assert.deepEqual(
    leftOf({ ...whole, failures: [7] }, decisions.slice(0, 3)),
    [0, 4, 5, 6, 7, 8, 9, 10, 11],
  );
  const behind = failing((row) => row + 1);
  assert.deepEqual(leftOf({ ...behind, failures: [7] }, decisions.slice(0, 3)), []);
  // What a version that stands by fails at is not told.
  assert.deepEqual(leftOf(failing((row) => Math.min(row + 1, 11))), [11, 11]);
});
