import assert from "node:assert/strict";
import { test } from "node:test";
import { slowText, values } from "../testing/growth-fixture.ts";
import { decodedParts, linesType, originForm, readBody } from "./read-request.ts";

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

test("JSON that nests deeper than anything here is read is refused before it is parsed", () => {
  const nested = (depth: number, inner: string) =>
    Buffer.from(`{"a":${"[".repeat(depth - 1)}${inner}${"]".repeat(depth - 1)}}`);
  const read = (body: Buffer, type = "application/json") =>
    readBody("value-or-lines", type, body) as object;
  assert.ok("a" in read(nested(256, '"[[[\\"[["')));
  assert.ok("a" in read(Buffer.from(`{"a":[${"[[]],".repeat(500)}[]]}`)));
  assert.throws(() => read(nested(257, "")), /body: it nests deeper than 256/);
  assert.throws(() => read(nested(257, ""), linesType), /body, line 1: it nests deeper than 256/);
  assert.throws(() => read(Buffer.from('{"a":'.repeat(200_000))), /it nests deeper than 256/);
  assert.throws(() => read(Buffer.from(`"${"[".repeat(1_000)}`)), /it is no JSON/);
});

test("a whole URL is read as its path, and names the host", () => {
  const read = (url: string) => {
    const request = { url, headers: { host: "127.0.0.1" } };
    return [originForm(request), request.headers.host];
  };
  assert.deepEqual(read("http://example.com:80/a/b?c=d"), ["/a/b?c=d", "example.com:80"]);
  assert.deepEqual(read("HTTPS://127.0.0.1"), ["/", "127.0.0.1"]);
  assert.deepEqual(read("http://h?c=http://x/"), ["/?c=http://x/", "h"]);
  assert.deepEqual(read("/a/http://x/"), ["/a/http://x/", "127.0.0.1"]);
});
