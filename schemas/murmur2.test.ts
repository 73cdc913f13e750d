import assert from "node:assert/strict";
import { test } from "node:test";
import { murmur2, partitionOf } from "./murmur2.ts";

const published: readonly (readonly [string, number])[] = [
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["a-little-bit-longer-string", -1486304829],
  ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
  ["abc", 479470107],
];

test("murmur2 gives the hashes that Kafka's own tests list", () => {
  for (const [text, hash] of published) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test("murmur2 of a range is that of the bytes in it", () => {
  const framed = Buffer.from("<<foobar>>");
  assert.equal(murmur2(framed, 2, 8), -790332482);
});

test("a key's partition is its hash without the sign bit, modulo the partitions", () => {
  for (const [text, hash] of published) {
    for (const partitions of [1, 3, 4, 12]) {
      assert.equal(partitionOf(text, partitions), (hash & 0x7fffffff) % partitions);
    }
  }
});

test("long keys and keys beyond ASCII go by their UTF-8 bytes", () => {
  for (const key of ["语言".repeat(200), "é", "😀", "x".repeat(5_000)]) {
    assert.equal(partitionOf(key, 7), (murmur2(Buffer.from(key, "utf8")) & 0x7fffffff) % 7);
  }
});
