import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Guids } from "./guids.ts";

const textOf = (bytes: Uint8Array) => {
  const hex = Buffer.from(bytes).toString("hex");
  const parts = [0, 8, 12, 16, 20, 32];
  return parts
    .slice(1)
    .map((end, i) => hex.slice(parts[i], end))
    .join("-");
};

test("a GUID is itself wherever it stands, however many are alike and were before it", () => {
  const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
  // Many that begin alike.
  const near = fc.tuple(fc.constantFrom(0, 1, 255), bytes).map(([first, all]) => {
    all.fill(first, 0, 14);
    return all;
  });
  const guids = new Guids();
  fc.assert(
    fc.property(fc.array(fc.oneof(bytes, near)), fc.nat(5), (all, before) => {
      for (const each of [...all, ...all]) {
        assert.equal(guids.at(Buffer.concat([Buffer.alloc(before), each]), before), textOf(each));
      }
    }),
  );
});

test("a GUID that is met again makes no text, until a thousand others were met", (context) => {
  const guids = new Guids();
  const guid = (n: number) => {
    const bytes = Buffer.alloc(16, 7);
    bytes.writeUInt32BE(n, 12);
    return bytes;
  };
  const first = guids.at(guid(0), 0);
  const made = context.mock.method(Buffer.prototype, "toString");
  for (let i = 0; i < 1_000; i++) assert.equal(guids.at(guid(0), 0), first);
  assert.equal(made.mock.callCount(), 0);
  for (let i = 1; i <= 1_000; i++) guids.at(guid(i), 0);
  made.mock.resetCalls();
  assert.equal(guids.at(guid(0), 0), first);
  assert.equal(made.mock.callCount(), 1);
});
