import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import type { ModelInForce } from "../../processors/scoring/model-register.ts";
import { rowStates, type ScoreWork } from "../../processors/scoring/score-work.ts";
import { seededRandom } from "../../processors/train/seeded-random-fixture.ts";
import { emptyResult, type ScoreResult } from "../services/score/scorer.ts";
import { Caller } from "./caller.ts";
import { type BusyPolicy, busyPolicies, MicroBatcher, WaitingBytes } from "./micro-batcher.ts";
import type { Lane } from "./row-queue.ts";

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
  assert.deepEqual([scorer.works.length, batcher.waitingRows("normal")], [1, 3]);
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
  assert.equal(batcher.waitingRows("normal"), 1, "late rows have left");
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

test("bytes that wait are held to one limit for all that share it", async () => {
  const scorer = heldScorer(true);
  const waitingBytes = new WaitingBytes(64);
  const options = { batchesAtOnce: 1, waitingBytes };
  const [one, other] = [
    new MicroBatcher(scorer, 2, options),
    new MicroBatcher(scorer, 2, { ...options, whenBusy: "drop" }),
  ];
  const ask = (batcher: MicroBatcher, rows: number) =>
    batcher.score(first, new Float64Array(rows * 2), never);
  const all = [ask(one, 1)];
  await turn();
  assert.equal(waitingBytes.used, 0, "it is with the scorer");
  all.push(ask(one, 3));
  assert.equal(waitingBytes.used, 48);
  await assert.rejects(ask(other, 2), { code: "GATEWAY_BUSY" });
  all.push(ask(other, 1));
  assert.equal(waitingBytes.used, 64);
  for (let round = 0; round < 3; round++) {
    await turn();
    scorer.release();
  }
  await Promise.all(all);
  assert.equal(waitingBytes.used, 0);
});

test("where too much waits, the policy says who goes: what comes, what is old, or to the fallback", async () => {
  for (const whenBusy of busyPolicies) {
    const scorer = heldScorer(true);
    const shed: [BusyPolicy, number][] = [];
    const batcher = new MicroBatcher(scorer, 2, {
      ...{ batchesAtOnce: 1, waitingRows: 3, whenBusy },
      shed: (policy, rows) => shed.push([policy, rows]),
    });
    const ask = (rows: number, lane: Lane = "normal") => {
      const asked = batcher.score(first, new Float64Array(rows * 2), never, lane);
      return asked.then(
        ({ isDegraded, states, probabilities }) => {
          const isAnswered = states.every((state) => state === rowStates.answered);
          assert.equal(isAnswered, !isDegraded);
          assert.equal(probabilities.some(Number.isNaN), isDegraded);
          return isDegraded ? "degraded" : "answered";
        },
        ({ code }: { code: string }) => code,
      );
    };
    const running = ask(1);
    await turn();
    const asked = [ask(1, "high"), ask(1), ask(1, "low"), ask(2), ask(1, "low"), ask(1, "high")];
    for (let round = 0; round < 3; round++) {
      await turn();
      scorer.release();
    }
    const busy = "GATEWAY_BUSY";
    const wanted = {
      reject: ["answered", "answered", "answered", busy, busy, busy],
      // The low one goes, and that is not enough: the older normal one, too. A low one finds none
      // to go for it, the last high one the normal one.
      drop: ["answered", busy, busy, busy, busy, "answered"],
      degrade: ["answered", "answered", "answered", "degraded", "degraded", "degraded"],
    };
    assert.deepEqual(await Promise.all(asked), wanted[whenBusy], whenBusy);
    assert.equal(await running, "answered");
    const rows = shed.reduce((sum, each) => sum + each[1], 0);
    assert.equal(rows, whenBusy === "drop" ? 5 : 4, JSON.stringify(shed));
    await batcher.close();
  }
});

test("of rows that wait those of a lane before go first, however late they came", async () => {
  const scorer = heldScorer(true);
  const batcher = new MicroBatcher(scorer, 2, { batchesAtOnce: 1, rows: 2 });
  const order: string[] = [];
  const ask = async (name: string, lane: Lane) => {
    await batcher.score(first, Float64Array.of(1, 2), never, lane);
    order.push(name);
  };
  const all = [ask("running", "low")];
  await turn();
  all.push(ask("low", "low"), ask("normal", "normal"), ask("normal 2", "normal"));
  all.push(ask("high", "high"));
  for (let round = 0; round < 4; round++) {
    await turn();
    scorer.release();
  }
  await Promise.all(all);
  assert.deepEqual(order, ["running", "high", "normal", "normal 2", "low"]);
  await batcher.close();
});

test("what nobody waits for any more is not scored, and gives back its room", async () => {
  const scorer = heldScorer(true);
  const waitingBytes = new WaitingBytes(1_000);
  const abandoned: number[] = [];
  const batcher = new MicroBatcher(scorer, 2, {
    ...{ batchesAtOnce: 1, waitingBytes, abandoned: (rows) => abandoned.push(rows) },
  });
  const callers = Array.from({ length: 4 }, () => new Caller());
  const ask = (rows: number, caller?: Caller) =>
    batcher.score(first, new Float64Array(2 * rows), never, "normal", caller);
  const gone = { code: "REQUEST_ABANDONED" };
  const begun = ask(1, callers[0]);
  await turn();
  const [waits, stays] = [ask(3, callers[1]), ask(1, callers[2])];
  assert.deepEqual([batcher.waitingRows("normal"), waitingBytes.used], [4, 64]);
  callers[1]?.leave();
  await assert.rejects(waits, gone);
  assert.deepEqual([batcher.waitingRows("normal"), waitingBytes.used], [1, 16]);
  // What has begun ends, and what of it the scorer has not begun is given up.
  assert.equal(scorer.signals[0]?.aborted, false);
  callers[0]?.leave();
  await assert.rejects(begun, gone);
  assert.equal(scorer.signals[0]?.aborted, true);
  scorer.release();
  await turn();
  const beside = ask(1, callers[3]);
  scorer.release();
  assert.equal((await stays).states[0], rowStates.answered);
  await turn();
  const [third] = [scorer.works.length];
  assert.deepEqual([third, abandoned], [3, [3, 1]]);
  scorer.release();
  assert.equal((await beside).states[0], rowStates.answered);
  callers[3]?.leave();
  await assert.rejects(ask(5, callers[3]), gone);
  assert.deepEqual([scorer.works.length, abandoned], [3, [3, 1, 5]]);
  await batcher.close();
});

test("a batch goes on for those who wait while others of it have left", async () => {
  const scorer = heldScorer(true);
  const batcher = new MicroBatcher(scorer, 2, { batchesAtOnce: 1 });
  const callers = [new Caller(), new Caller()] as const;
  const asked = callers.map((caller, row) =>
    batcher.score(first, Float64Array.of(row, row), never, "normal", caller),
  );
  await turn();
  callers[0].leave();
  await assert.rejects(asked[0] as Promise<unknown>, { code: "REQUEST_ABANDONED" });
  assert.equal(scorer.signals[0]?.aborted, false);
  scorer.release();
  assert.equal((await asked[1])?.probabilities[0], answer("a", Float64Array.of(1, 1)));
  await batcher.close();
});

test("spare rows go while the scorer has nothing else, and make room for all that comes", async () => {
  for (const whenBusy of busyPolicies) {
    const scorer = heldScorer(true);
    const shed: string[] = [];
    const batcher = new MicroBatcher(scorer, 2, {
      ...{ batchesAtOnce: 3, waitingRows: 4, whenBusy, shed: (policy) => shed.push(policy) },
    });
    const ask = (rows: number, lane: "spare" | "low") =>
      batcher.score(first, new Float64Array(rows * 2), never, lane);
    const busy = ask(1, "low");
    await turn();
    const spare = [ask(2, "spare"), ask(2, "spare")];
    const lost = spare.map((each) => each.then(() => "scored").catch(({ code }) => code));
    // No more fit, and none goes beside what is under way.
    await assert.rejects(ask(1, "spare"), { code: "GATEWAY_BUSY" });
    await turn();
    assert.equal(scorer.works.length, 1);
    const request = ask(1, "low");
    await turn();
    assert.equal(await lost[0], "GATEWAY_BUSY", "the oldest makes room");
    assert.equal(scorer.works.length, 2, "a request goes at once");
    scorer.release();
    await Promise.all([busy, request]);
    await turn();
    assert.equal(scorer.works.length, 3, "then what is spare");
    assert.equal(scorer.works[2]?.versionOf.length, 2);
    // While it is with the scorer a request finds room.
    const next = ask(1, "low");
    await turn();
    assert.equal(scorer.works.length, 4);
    scorer.release();
    await next;
    assert.equal(await lost[1], "scored");
    assert.deepEqual(shed, [], "nobody that waits was refused");
    await batcher.close();
  }
});
