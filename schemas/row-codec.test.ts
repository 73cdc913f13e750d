import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { RowCodec } from "./row-codec.ts";
import type { RowField, ScalarType } from "./row-layout.ts";

const whole = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.constantFrom(-(2n ** 63n), 2n ** 63n, 2n ** 64n - 1n, 0n),
  )
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
const values: Readonly<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  number: fc.double({ noNaN: true }),
  integer: whole,
  timestamp: whole,
  boolean: fc.boolean(),
  text: fc.string({ unit: "grapheme" }),
};

/** A field, and a value that it may have. */
const fieldWithValue = fc
  .record({
    type: fc.constantFrom<ScalarType>("number", "integer", "timestamp", "boolean", "text"),
    isList: fc.boolean(),
    nullable: fc.boolean(),
  })
  .chain(({ type, isList, nullable }) => {
    const one = isList ? fc.array(fc.option(values[type])) : values[type];
    return fc.record({
      field: fc.constant({ type: isList ? { list: type } : type, nullable }),
      value: nullable ? fc.option(one) : one,
    });
  });

test("a row reads back as written: every type, null, 64 bits with and without a sign", () => {
  fc.assert(
    fc.property(fc.array(fieldWithValue), (fields) => {
      const layout = {
        fields: fields.map(({ field }, i): RowField => ({ name: `f${i}`, ...field })),
      };
      const row = Object.fromEntries(fields.map(({ value }, i) => [`f${i}`, value]));
      const writer = new ByteWriter(8);
      const codec = new RowCodec(layout);
      codec.write(writer, row);
      const reader = new ByteReader(writer.take());
      assert.deepEqual(codec.read(reader), row);
      assert.ok(reader.done);
    }),
  );
});

test("numbers take eight bytes each, and nothing tells of a null but NaN", () => {
  const number = { type: "number", nullable: true } as const;
  const codec = new RowCodec({
    fields: [
      { name: "a", ...number },
      { name: "b", ...number },
    ],
  });
  const writer = new ByteWriter();
  codec.write(writer, { a: 1.5, b: null });
  const bytes = writer.take();
  assert.equal(bytes.length, 16);
  assert.equal(bytes.readDoubleLE(0), 1.5);
  assert.ok(Number.isNaN(bytes.readDoubleLE(8)));
});
