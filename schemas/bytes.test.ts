import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "./bytes.ts";

test("what a writer writes a reader reads", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.double())), (pairs) => {
      const writer = new ByteWriter(1);
      for (const [text, number] of pairs) {
        writer.text(text);
        writer.f64(number);
      }
      const reader = new ByteReader(writer.take());
      for (const [text, number] of pairs) {
        assert.equal(reader.text(), Buffer.from(text, "utf8").toString("utf8"));
        assert.ok(Object.is(reader.f64(), number));
      }
      assert.ok(reader.done);
    }),
  );
});

test("a text of any length keeps its length", () => {
  for (const length of [0, 21_844, 21_845, 65_534, 65_535, 65_536, 200_000]) {
    for (const unit of ["a", "é", "語"]) {
      const writer = new ByteWriter();
      writer.text(unit.repeat(length));
      writer.u8(7);
      const reader = new ByteReader(writer.take());
      assert.equal(reader.text().length, length);
      assert.equal(reader.u8(), 7);
    }
  }
});

test("a writer that is recycled gives back what a burst has grown, and keeps what is in use", () => {
  const kept = 1024;
  const writer = new ByteWriter(kept);
  const use = (bytes: number): number => {
    writer.reserve(bytes);
    writer.recycle(kept);
    assert.equal(writer.position, 0);
    return writer.buffer.length;
  };
  const grown = use(1024 * kept);
  assert.ok(grown >= 1024 * kept);
  for (let commit = 0; commit < 100; commit++) assert.equal(use(grown / 4), grown);
  for (let commit = 0; commit < 10; commit++) use(0);
  assert.equal(use(0), kept);
});

test("raw bytes are copied from any part of a source, short or long", () => {
  const source = Uint8Array.from({ length: 100 }, (_, index) => index);
  const writer = new ByteWriter(1);
  const expected: number[] = [];
  for (const length of [0, 1, 23, 24, 25, 60, 100]) {
    for (const start of [0, 1, 100 - length].filter((each) => each + length <= 100)) {
      writer.raw(source, start, start + length);
      expected.push(...source.subarray(start, start + length));
    }
  }
  assert.deepEqual([...writer.take()], expected);
});
