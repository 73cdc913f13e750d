import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { kafkaError, remedyOf } from "./error-codes.ts";
import { WireReader } from "./wire-reader.ts";
import { WireWriter } from "./wire-writer.ts";

const sizeField = 4;

test("what the writer writes the reader reads, whatever the first size", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 300 });
  fc.assert(
    fc.property(
      fc.integer({ min: 4, max: 64 }),
      fc.array(fc.tuple(text, fc.maxSafeInteger(), fc.integer({ min: 0, max: 2 ** 31 - 1 }))),
      fc.uint8Array({ maxLength: 500 }),
      (initialBytes, rows, bytes) => {
        const writer = new WireWriter(initialBytes);
        writer.int32(0);
        writer.array(rows, ([name, long, varint]) => {
          writer.string(name);
          writer.int64(long);
          writer.unsignedVarint(varint);
          writer.compactNullableString(name === "" ? null : name);
        });
        writer.compactArray(rows, ([name]) => writer.compactString(name));
        writer.bytes(bytes);
        writer.noTags();
        const wire = writer.finish();
        assert.equal(wire.readInt32BE(0), wire.length - sizeField);
        const reader = new WireReader(wire.subarray(sizeField));
        const read = reader.array(() => {
          const row = [reader.string(), reader.int64(), reader.unsignedVarint()];
          assert.equal(reader.compactNullableString() ?? "", row[0]);
          return row;
        });
        assert.deepEqual(read, rows);
        assert.deepEqual(
          reader.compactArray(() => reader.compactString()),
          rows.map(([name]) => name),
        );
        assert.deepEqual(new Uint8Array(reader.bytes()), new Uint8Array(bytes));
        reader.skipTags();
        assert.throws(() => reader.int8(), RangeError);
      },
    ),
  );
});

test("a copy in the request can be stamped without touching the caller's bytes", () => {
  const writer = new WireWriter(4);
  const batch = Buffer.from("batch");
  writer.int32(0);
  writer.raw(batch).write("B");
  assert.equal(writer.finish().toString("latin1", sizeField), "Batch");
  assert.equal(batch.toString(), "batch");
});

test("a code of Kafka that the table does not hold stops, and is named", () => {
  assert.equal(remedyOf(9_999), "none");
  const error = kafkaError(9_999, "Fetch", {});
  assert.equal(error.code, "BROKER_REFUSED");
  assert.match(error.message, /9999/);
});
