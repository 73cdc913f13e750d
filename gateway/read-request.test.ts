import assert from "node:assert/strict";
import { test } from "node:test";
import { slowText, values } from "../testing/growth-fixture.ts";
import { decodedParts, linesType, readBody } from "./read-request.ts";

const scans: Readonly<Record<string, (text: string) => unknown>> = {
  "a path": decodedParts,
  "a body": (text) => readBody("value", "application/json", Buffer.from(text)),
  "a body of lines": (text) => readBody("value-or-lines", linesType, Buffer.from(text)),
  "a content type": (text) => readBody("value", text, Buffer.alloc(0)),
};

for (const [what, scan] of Object.entries(scans)) {
  test(`the time that ${what} takes grows with its length, whatever is in it`, () => {
    assert.equal(slowText(scan, values), null);
  });
}
