import assert from "node:assert/strict";
import { test } from "node:test";
import { plainLines, plainText, reasonLimit, shortReason } from "./plain-text.ts";

test("no control character of a record reaches a terminal", () => {
  assert.equal(
    plainText("a\u001b]0;title\u0007\nb\u009b\u202ec"),
    String.raw`a\u001b]0;title\u0007\u000ab\u009b\u202ec`,
  );
  assert.equal(plainText("é 漢字 😀"), "é 漢字 😀");
});

test("a reason is short whatever it quotes", () => {
  assert.equal(shortReason("x".repeat(13_000)).length, reasonLimit);
  assert.equal(shortReason("\u001b".repeat(400)).length, reasonLimit);
  assert.equal(shortReason("short"), "short");
});

test("lines stay lines, and nothing else of a text reaches a terminal", () => {
  assert.equal(plainLines("a\u001b]0;x\u0007\nb\r"), "a\\u001b]0;x\\u0007\nb\\u000d");
});
