import assert from "node:assert/strict";
import { test } from "node:test";
import { type Close, closingAfter } from "./closing-after.ts";

const closed: string[] = [];
const part =
  (name: string, error?: Error): Close =>
  async () => {
    closed.push(name);
    if (error !== undefined) throw error;
  };

test("what was opened is closed in reverse order, and the work's result returned", async () => {
  closed.length = 0;
  const result = await closingAfter(async (closing) => {
    closing.push(part("first"), part("second"));
    return 7;
  });
  assert.deepEqual([result, closed], [7, ["second", "first"]]);
});

test("a part that does not close leaves none of the others open", async () => {
  closed.length = 0;
  const failing = closingAfter(async (closing) => {
    closing.push(part("first"), part("second", new Error("stuck")), part("third"));
  });
  await assert.rejects(failing, /stuck/);
  assert.deepEqual(closed, ["third", "second", "first"]);
});

test("the error of the work counts, not one that closing meets then", async () => {
  const failing = closingAfter(async (closing) => {
    closing.push(part("first", new Error("stuck")));
    throw new Error("no space");
  });
  await assert.rejects(failing, /no space/);
});
