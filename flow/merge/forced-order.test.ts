import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameWriter } from "../frame.ts";
import { Merge, type OrderDecision } from "../merge.ts";

const inputs = [
  { rank: 0, channels: 1 },
  { rank: 1, channels: 1 },
  { rank: 3, channels: 1, awaited: false },
];
const never = Number.POSITIVE_INFINITY;

/** Frames of one channel, each with these records and this progress. */
function frames(input: number, ...parts: readonly [times: readonly number[], progress: number][]) {
  const writer = new FrameWriter(input, 0);
  return parts.map(([times, progress]) => {
    for (const time of times) {
      writer.begin(time);
      writer.end();
    }
    return writer.take(progress)[0] as Buffer;
  });
}

function feed(merge: Merge, frame: Buffer | undefined, offset: number): void {
  assert.ok(frame);
  assert.equal(merge.accept(frame, 0, frame.length, offset), "accepted");
}

/** What is released until nothing more is certain: input, time, `!` where incomplete. */
function drain(merge: Merge): string[] {
  const released: string[] = [];
  while (merge.next(never) === "record") {
    released.push(`${merge.input}@${merge.knownAt}${merge.incomplete ? "!" : ""}`);
  }
  return released;
}

const answers = frames(0, [[3], 4], [[8, 12], 13]);
const triggers = frames(1, [[3, 10], 11], [[12], 20]);
const models = frames(2, [[5], 6], [[900], 901]);

function decide(): { released: string[]; decisions: OrderDecision[] } {
  const merge = new Merge(inputs);
  const released: string[] = [];
  feed(merge, answers[0], 0);
  merge.stamp = 77;
  feed(merge, triggers[0], 1);
  released.push(...drain(merge));
  merge.stamp = 80;
  feed(merge, models[0], 2);
  assert.equal(merge.waitingSince(), 77, "the trigger came first, and waits for the model, too");
  merge.endWait();
  released.push(...drain(merge));
  assert.equal(merge.waitingSince(), 77);
  merge.endWait();
  released.push(...drain(merge));
  feed(merge, answers[1], 3);
  feed(merge, triggers[1], 4);
  feed(merge, models[1], 5);
  released.push(...drain(merge));
  return { released, decisions: merge.takeDecisions() };
}

test("what comes behind an ended wait counts as known from its end on, and the wait is named", () => {
  const { released, decisions } = decide();
  assert.deepEqual(released, [
    ...["0@3", "1@3", "2@4!", "1@10!"],
    ...["0@11", "2@11", "0@12", "1@12"],
  ]);
  assert.deepEqual(
    decisions.filter(({ channel }) => channel === 0),
    [{ channel: 0, sequence: 2, from: 4, until: 11 }],
  );
});

test("a merge that repeats decisions releases the same in any order of arrival", () => {
  const { released, decisions } = decide();
  const all = [...answers, ...triggers, ...models];
  for (const order of [
    [0, 1, 2, 3, 4, 5],
    [4, 5, 2, 3, 0, 1],
    [2, 3, 4, 0, 1, 5],
  ]) {
    const merge = new Merge(inputs);
    merge.repeat(decisions);
    const again: string[] = [];
    for (const [offset, index] of order.entries()) {
      feed(merge, all[index], offset);
      again.push(...drain(merge));
    }
    assert.deepEqual(again, released);
  }
});
