import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { rowStates, type ScoreWork } from "../../processors/scoring/score-work.ts";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import { emptyResult, type ScoreResult } from "../services/score/scorer.ts";
import { MicroBatcher } from "./micro-batcher.ts";

const never = Number.POSITIVE_INFINITY;
const models = ["a", "b"].map((artifact): ModelInForce => {
  return { version: `v-${artifact}`, artifact, before: null };
});
const [first] = models as [ModelInForce];

/** What a model answers goes by the row and the model alone. */
function answer(artifact: string | undefined, row: Float64Array): number {
  return ((row[0] as number) + (row[1] as number)) / 1e6 + (artifact === "b" ? 0.5 : 0);
}

/** A scorer whose batches the test lets out. */
function heldScorer(held: boolean) {
  const works: ScoreWork[] = [];
  const waiting: (() => void)[] = [];
  const signals: (AbortSignal | undefined)[] = [];
  return {
    works,
    signals,
    release: () => {
      for (const each of waiting.splice(0)) each();
    },
    score: async (work: ScoreWork, signal?: AbortSignal): Promise<ScoreResult> => {
      works.push(work);
      signals.push(signal);
      if (held) await new Promise<void>((resolve) => waiting.push(resolve));
      else await null;
      const result = emptyResult(work.versionOf.length);
      for (const [row, version] of work.versionOf.entries()) {
        const vector = work.rows.subarray(row * work.features, (row + 1) * work.features);
        result.probabilities[row] = answer(work.artifacts[version], vector);
        result.states[row] = rowStates.answered;
      }
      return result;
    },
  };
}

const turn = () => wait(1);

test("every request gets the answers to its own rows, whatever they were batched with", async () => {
  const random = seededRandom("batches");
  const scorer = heldScorer(false);
  const batcher = new MicroBatcher(scorer, 2, { batchesAtOnce: 2, rows: 7, waitingRows: 1e9 });
  const asked: Promise<void>[] = [];
  for (let request = 0; request < 3_000; request++) {
    const rows = 1 + random(4);
    const vectors = Float64Array.from({ length: rows * 2 }, () => random(1_000));
    const model = models[random(2)] as ModelInForce;
    const check = batcher.score(model, vectors, never).then(({ probabilities, states }) => {
      const own = Array.from({ length: rows }, (_, row) =>
        answer(model.artifact, vectors.subarray(row * 2, row * 2 + 2)),
      );
      assert.deepEqual([...probabilities], own);
      assert.ok(states.every((state) => state === rowStates.answered));
    });
    asked.push(check);
    if (random(5) === 0) await null;
  }
  await Promise.all(asked);
  const sizes = scorer.works.map(({ versionOf }) => versionOf.length);
  assert.ok(Math.max(...sizes) <= 7 && sizes.length < 2_000, `${sizes.length} batches`);
  await batcher.close();
});

test("an answer that a busy thread hears of before the timer is late all the same", async () => {
  const scorer = heldScorer(false);
  const busy = {
    score: async (work: ScoreWork): Promise<ScoreResult> => {
      for (const start = performance.now(); performance.now() - start < 30; );
      return scorer.score(work);
    },
  };
  const batcher = new MicroBatcher(busy, 2, { batchesAtOnce: 1, rows: 7, waitingRows: 100 });
  const deadlineAt = performance.now() + 20;
  const asked = [deadlineAt, never].map((at) => batcher.score(first, Float64Array.of(1, 2), at));
  const [bounded, unbounded] = await Promise.all(asked);
  assert.deepEqual(bounded?.states, Uint8Array.of(rowStates.late));
  assert.deepEqual(unbounded?.states, Uint8Array.of(rowStates.answered));
  await batcher.close();
});

test("rows gather while the scorer is busy; what comes together goes together", async () => {
  const scorer = heldScorer(true);
  const batcher = new MicroBatcher(scorer, 2, { batchesAtOnce: 1 });
  const one = () => batcher.score(first, Float64Array.of(1, 2), never);
  const all = [one(), one(), one()];
  await turn();
  assert.deepEqual(
    scorer.works.map(({ versionOf }) => versionOf.length),
    [3],
  );
  all.push(one(), one());
  await turn();
  all.push(one());
  assert.deepEqual([scorer.works.length, batcher.waitingRows], [1, 3]);
  scorer.release();
  await Promise.all(all.slice(0, 3));
  await turn();
  assert.deepEqual(
    scorer.works.map(({ versionOf }) => versionOf.length),
    [3, 3],
  );
  const closing = batcher.close();
  scorer.release();
  await Promise.all([...all, closing]);
  await assert.rejects(one(), { code: "SCORING_CLOSED" });
});

test("a batch waits for its delay, but leaves early when it is full or a deadline is near", async () => {
  const scorer = heldScorer(false);
  const options = { batchesAtOnce: 1, rows: 3, delayMs: 60_000 };
  const batcher = new MicroBatcher(scorer, 2, options);
  const one = (deadlineAt: number) => batcher.score(first, Float64Array.of(1, 2), deadlineAt);
  const waits = one(never);
  await wait(5);
  assert.equal(scorer.works.length, 0);
  await Promise.all([waits, one(never), one(never)]);
  assert.equal(scorer.works.length, 1, "three are full");
  const waiting = one(never);
  // It is let out in time for the one in a hurry, and takes the other along.
  const { states } = await one(performance.now() + 50).finally(() => undefined);
  assert.ok(states[0] === rowStates.answered || states[0] === rowStates.late);
  if (states[0] === rowStates.answered) await waiting;
  const closed = batcher.close();
  await Promise.all([waiting, closed]);
});

test("beyond its bound rows are refused, those that are late leave, and what nobody waits for is given up", async () => {
  const scorer = heldScorer(true);
  const batcher = new MicroBatcher(scorer, 2, { batchesAtOnce: 1, waitingRows: 4 });
  const ask = (rows: number, deadlineAt = never) =>
    batcher.score(first, new Float64Array(rows * 2), deadlineAt);
  const running = ask(1, performance.now() + 20);
  await turn();
  const late = ask(3, performance.now() + 20);
  await assert.rejects(ask(2), { code: "GATEWAY_BUSY" });
  const waits = ask(1);
  await assert.rejects(ask(1), { code: "GATEWAY_BUSY" });
  for (const { states, probabilities } of [await running, await late]) {
    assert.ok(states.every((state) => state === rowStates.late));
    assert.ok(probabilities.every(Number.isNaN));
  }
  assert.equal(batcher.waitingRows, 1, "late rows have left");
  assert.equal(scorer.signals[0]?.aborted, true);
  scorer.release();
  await turn();
  scorer.release();
  assert.equal((await waits).states[0], rowStates.answered);
  await batcher.close();
});

test("what the scorer fails with is told to the requests of the batch, and no other", async () => {
  const failures = [new Error("gone")];
  const scorer = heldScorer(false);
  const failing = {
    score: async (work: ScoreWork) => {
      const failure = failures.pop();
      if (failure !== undefined) throw failure;
      return await scorer.score(work);
    },
  };
  const batcher = new MicroBatcher(failing, 2, { batchesAtOnce: 1 });
  await assert.rejects(batcher.score(first, Float64Array.of(1, 2), never), { message: "gone" });
  const { probabilities } = await batcher.score(first, Float64Array.of(1, 2), never);
  assert.deepEqual([...probabilities], [3 / 1e6]);
  await batcher.close();
});
