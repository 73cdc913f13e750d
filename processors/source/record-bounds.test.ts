import assert from "node:assert/strict";
import { test } from "node:test";
import { keyLimitBytes, RecordBounds, textLimitBytes } from "./record-bounds.ts";

test("a key is judged as it is written: separators doubled, what is no UTF-8 as three bytes", () => {
  const bounds = new RecordBounds([["shop", "card"], ["card"]]);
  const judge = (shop: string, note = "") => bounds.judge({ shop, card: "c", note });
  assert.equal(judge("s".repeat(keyLimitBytes - 2)), null);
  assert.equal(judge("s".repeat(keyLimitBytes - 1)), "KEY_OVERSIZE");
  assert.equal(judge("|".repeat(keyLimitBytes / 2)), "KEY_OVERSIZE");
  assert.equal(judge("\ufffd".repeat(342)), "KEY_OVERSIZE");
  assert.equal(judge("s", "x".repeat(textLimitBytes)), null);
  assert.equal(judge("s", "\ufffd".repeat(textLimitBytes / 2)), "TEXT_OVERSIZE");
});
