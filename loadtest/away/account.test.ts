import assert from "node:assert/strict";
import { test } from "node:test";
import { accountOf } from "./account.ts";

test("each answered id has to be stored once, a failed one may be, and no other is", () => {
  const answered = new Set([1, 2, 3]);
  const unsure = new Set([4, 5]);
  const whole = { answered: 3, lost: 0, doubled: 0, foreign: 0, unsure: 2 };
  assert.deepEqual(accountOf(answered, unsure, [3, 2, 1]), whole);
  assert.deepEqual(accountOf(answered, unsure, [1, 2, 3, 5]), whole);
  assert.deepEqual(accountOf(answered, unsure, [1, 3]), { ...whole, lost: 1 });
  assert.deepEqual(accountOf(answered, unsure, [1, 1, 2, 3, 4, 4]), { ...whole, doubled: 2 });
  assert.deepEqual(accountOf(answered, unsure, [1, 2, 3, 6]), { ...whole, foreign: 1 });
});
