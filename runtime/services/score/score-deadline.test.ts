import assert from "node:assert/strict";
import { test } from "node:test";
import { rowStates, type ScoreWork } from "../../../processors/scoring/score-work.ts";
import { ScoreDeadline } from "./score-deadline.ts";
import { encodeScoreResult } from "./scorer.ts";

const work: ScoreWork = {
  versions: ["v1"],
  artifacts: ["a"],
  versionOf: Uint16Array.from([0, 0]),
  rows: new Float64Array(2),
  features: 1,
  sourcePartitions: new Uint16Array(2),
  sourceOffsets: new Float64Array(2),
  putAside: [],
  asksNews: false,
  heard: 0,
  knownAt: 0,
};
const scores = encodeScoreResult({
  probabilities: Float64Array.from([0.25, 0.75]),
  latencyMs: new Float64Array(2),
  states: new Uint8Array(2),
  failure: null,
});

async function warm(): Promise<ScoreDeadline> {
  const deadline = new ScoreDeadline();
  assert.equal(await deadline.bound(work, after(5), 1), scores, "the first call has no limit");
  return deadline;
}

/** A call that gives the scores some ms later, given up or not. */
function after(ms: number): () => Promise<Buffer> {
  return () => new Promise((resolve) => setTimeout(() => resolve(scores), ms));
}

/** A call that ends when it is given up, and fails then. */
function untilGivenUp(failure?: Error): (signal: AbortSignal) => Promise<Buffer> {
  return (signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(failure ?? signal.reason));
    });
}

test("scores that do not come in time are none, one a row, and say how long was waited", async () => {
  const deadline = await warm();
  for (let call = 0; call < 3; call++) {
    const result = await deadline.bound(work, untilGivenUp(), 3);
    const [first, second, ...waited] = [0, 8, 16, 24].map((at) => result.readDoubleLE(at));
    assert.deepEqual([first, second], [Number.NaN, Number.NaN]);
    // A timer may be early by less than a millisecond.
    assert.ok(waited.length === 2 && waited.every((ms) => ms > 2), `${waited}`);
  }
  const failing = () => Promise.reject(new Error("the model fails"));
  await assert.rejects(deadline.bound(work, failing, 1_000), /the model fails/);
});

test("an answer that a busy thread hears of before the timer is late all the same", async () => {
  const deadline = await warm();
  for (const [busyMs, isLate] of [
    [30, true],
    [0, false],
  ] as const) {
    const busy = async () => {
      for (const start = performance.now(); performance.now() - start < busyMs; );
      return scores;
    };
    const result = await deadline.bound(work, busy, 20);
    assert.equal(Number.isNaN(result.readDoubleLE(0)), isLate, `${busyMs} ms`);
    if (isLate) {
      assert.deepEqual([...result.subarray(32)], [rowStates.late, rowStates.late]);
      assert.ok(result.readDoubleLE(16) >= busyMs);
    }
  }
});

test("a call is given up when its time is over, and never before", async () => {
  const deadline = await warm();
  const signals: AbortSignal[] = [];
  const inTime = (signal: AbortSignal) => {
    signals.push(signal);
    return Promise.resolve(scores);
  };
  assert.equal(await deadline.bound(work, inTime, 1_000), scores);
  assert.equal(await deadline.bound({ ...work, artifacts: ["cold"] }, inTime, 1), scores);
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [false, false],
  );
});

test("a call that fails after its deadline is told by the next one", async () => {
  const deadline = await warm();
  await deadline.bound(work, untilGivenUp(new Error("the thread ended")), 3);
  await assert.rejects(deadline.bound(work, after(0), 1_000), /the thread ended/);
});

test("a deadline beyond what a timer can wait is no deadline, and none that is over at once", async () => {
  const deadline = await warm();
  for (const limitMs of [2 ** 31, Number.POSITIVE_INFINITY]) {
    assert.equal(await deadline.bound(work, after(20), limitMs), scores);
  }
});
