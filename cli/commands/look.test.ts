import assert from "node:assert/strict";
import { test } from "node:test";
import { shownValue } from "./look.ts";

test("a text that could be taken for none, or for something else, is shown in quotes", () => {
  const shown = ["", "-", " a", "a ", 'say "a"', "DE", "a b", "\u001b[2J", "\u001b[2J "];
  assert.deepEqual(shown.map(shownValue), [
    ...['""', '"-"', '" a"', '"a "', String.raw`"say \"a\""`, "DE", "a b"],
    ...["\\u001b[2J", '"\\u001b[2J "'],
  ]);
  assert.deepEqual([null, 0, true, 1.5].map(shownValue), ["-", "0", "true", "1.5"]);
});
