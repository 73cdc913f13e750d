import assert from "node:assert/strict";
import { test } from "node:test";
import {
  jsonText,
  plainJson,
  plainLines,
  plainText,
  reasonLimit,
  shortReason,
} from "./plain-text.ts";

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

test("JSON is the same to a program, and holds nothing for a terminal", () => {
  const value = { "a\u009b": ["\u001b]0;x\u0007", "\u202e", "\t\n", "é"], b: { c: 1 } };
  const text = jsonText(value);
  assert.deepEqual(JSON.parse(text), value);
  assert.equal(text, text.replace(/[^\P{C}\n]/gu, ""));
  // As ClickHouse lays JSON out: with tabs, and C1 controls as they are.
  const laidOut = '{\n\t"a":\t"\u009b[2J"\r\n}';
  assert.equal(plainJson(laidOut), '{\n\t"a":\t"\\u009b[2J"\r\n}');
  assert.deepEqual(JSON.parse(plainJson(laidOut)), JSON.parse(laidOut));
});
