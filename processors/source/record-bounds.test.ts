import assert from "node:assert/strict";
import { test } from "node:test";
import {
  allTextsLimitBytes,
  keyLimitBytes,
  RecordBounds,
  textLimitBytes,
} from "./record-bounds.ts";

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

test("texts that fit one by one are judged together, as they are written", () => {
  const bounds = new RecordBounds([["id"]]);
  const judge = (text: string, fields: number) =>
    bounds.judge({
      id: 1,
      ...Object.fromEntries(
        Array.from({ length: 24 }, (_, i) => [`f${i}`, i < fields ? text : ""]),
      ),
    });
  const most = allTextsLimitBytes / textLimitBytes;
  assert.equal(judge("x".repeat(textLimitBytes), most), null);
  assert.equal(judge("x".repeat(textLimitBytes), most + 1), "TEXT_OVERSIZE");
  // 24 fields of 21,000 bytes that are no UTF-8: 504,000 as they came, 1,512,000 as written.
  assert.equal(judge("\ufffd".repeat(21_000), 24), "TEXT_OVERSIZE");
});
