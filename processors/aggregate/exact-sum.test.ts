import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter } from "../../schemas/bytes.ts";
import { ExactSum } from "./exact-sum.ts";
import { fromScaled, toScaled } from "./scaled-integer.ts";

/** Pairs that cancel but for the last bit of the larger, over nearly all exponents. */
const cancelling = Array.from({ length: 634 }, (_, i) => 2 ** (3 * i - 1_000)).flatMap((value) => [
  value,
  value * 2 ** -52 - value,
]);

function bytesOf(sum: ExactSum): Buffer {
  const writer = new ByteWriter();
  sum.write(writer);
  return writer.take();
}

test("a sum whose terms cancel stays exact and short, and is read as it was written", () => {
  const sum = new ExactSum();
  let exact = 0n;
  let longest = 0;
  for (const value of cancelling) {
    sum.add(value);
    exact += toScaled(value);
    longest = Math.max(longest, bytesOf(sum).length);
  }
  assert.equal(sum.round(), fromScaled(exact));
  const reader = new ByteReader(bytesOf(sum));
  const restored = ExactSum.read(reader);
  assert.ok(reader.done);
  for (const value of cancelling) restored.subtract(value);
  assert.equal(restored.round(), 0);
  // The whole part, 64 numbers beside it, their number, and whether there is more.
  assert.ok(longest <= 8 + 64 * 8 + 2, `${longest} bytes`);
});
