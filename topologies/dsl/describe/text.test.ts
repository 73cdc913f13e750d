import assert from "node:assert/strict";
import { test } from "node:test";
import { block } from "./text.ts";

test("blocks within blocks are indented once a level", () => {
  assert.equal(block("a", ["b", block("c", ["d"])]), "a\n  b\n  c\n    d");
});
