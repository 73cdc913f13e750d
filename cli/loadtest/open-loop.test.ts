import assert from "node:assert/strict";
import { test } from "node:test";
import { openLoop } from "./open-loop.ts";

/** A clock that goes on when somebody waits for it, once all that can be answered is. */
function clock() {
  let at = 1_000;
  const tick = (ms: number) => {
    at += ms;
  };
  const wait = async (ms: number) => {
    await new Promise((resolve) => setImmediate(resolve));
    tick(ms);
  };
  return { now: () => at, wait, tick };
}

const usual = { rate: 10, warmUpMs: 1_000, forMs: 2_000, most: 100 };
const { signal } = new AbortController();

test("requests go out when they are due, and those of the warm-up have no time", async () => {
  const { now, wait } = clock();
  const sent: number[] = [];
  const begin = now();
  const counts = await openLoop({ ...usual, signal, now, wait }, async (index) => {
    sent.push(now() - begin);
    assert.equal(index, sent.length - 1);
  });
  const due = Array.from({ length: 30 }, (_, index) => index * 100);
  assert.deepEqual(
    sent.map((ms) => Math.round(ms)),
    due,
  );
  assert.deepEqual([counts.answered, counts.times.count, counts.dropped], [30, 20, 0]);
});

test("a time begins when its request is due, though it went out late", async () => {
  const { now, wait, tick } = clock();
  // The first request behind the warm-up holds everything up for a second.
  const counts = await openLoop({ ...usual, signal, now, wait }, async (index) => {
    if (index === 10) tick(1_000);
  });
  assert.equal(counts.times.maxMs, 1_000);
  // The second went out 900 ms behind its time.
  assert.ok((counts.times.quantile(0.9) ?? 0) >= 800, String(counts.times.quantile(0.9)));
});

test("what is due while too many are under way is left out, and counted", async () => {
  const { now, wait } = clock();
  const sent: number[] = [];
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const slow = { now, wait: (ms: number) => (now() < 3_800 ? wait(ms) : wait(ms).then(release)) };
  const counts = await openLoop({ ...usual, most: 2, signal, ...slow }, async (index) => {
    sent.push(index);
    if (now() < 3_900) await held;
  });
  assert.deepEqual(sent.slice(0, 3), [0, 1, 29]);
  assert.deepEqual([counts.answered, counts.dropped], [3, 27]);
});

test("what fails is told by its text, and an abort ends the load", async () => {
  const { now, wait } = clock();
  const stop = new AbortController();
  const counts = await openLoop({ ...usual, signal: stop.signal, now, wait }, async (index) => {
    if (index === 4) stop.abort();
    if (index % 2 === 1) throw new Error("busy");
  });
  assert.deepEqual([counts.answered, counts.failed], [3, 2]);
  assert.deepEqual([...counts.failures], [["busy", 2]]);
});
