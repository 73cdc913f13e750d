import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { type HeadField, PayloadView } from "./payload-view.ts";
import { RowCodec } from "./row-codec.ts";
import type { RowLayout } from "./row-layout.ts";

const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 9 }),
  fc.constant("ü".repeat(40_000)),
);
const anyField = fc.oneof(
  fc.record({ type: fc.constant("text" as const), value: anyText }),
  fc.record({ type: fc.constant("number" as const), value: fc.double() }),
  fc.record({ type: fc.constant("boolean" as const), value: fc.boolean() }),
  fc.record({ type: fc.constant("byte" as const), value: fc.nat({ max: 255 }) }),
);
const rest: RowLayout = {
  fields: [
    { name: "list", type: { list: "text" }, nullable: true },
    { name: "whole", type: "integer", nullable: false },
  ],
};

function write(writer: ByteWriter, { type, value }: { type: HeadField["type"]; value: unknown }) {
  if (type === "text") writer.text(String(value));
  else if (type === "number") writer.f64(Number(value));
  else writer.u8(Number(value));
}

test("every field is read where it was written, in any order, and the row behind them", () => {
  fc.assert(
    fc.property(fc.array(fc.array(anyField, { maxLength: 7 }), { minLength: 1 }), (payloads) => {
      const writer = new ByteWriter(8);
      for (const fields of payloads) {
        writer.reset();
        writer.u16(7);
        for (const field of fields) write(writer, field);
        const row = { list: ["a", null], whole: 9_007_199_254_740_993n };
        new RowCodec(rest).write(writer, row);
        const head = fields.map(({ type }, i): HeadField => ({ name: `f${i}`, type }));
        const view = new PayloadView({ head, rest });
        const bytes = writer.take();
        for (let times = 0; times < 2; times++) {
          const reader = new ByteReader(bytes, 2);
          view.open(reader);
          assert.deepEqual(view.row(), row);
          for (const [i, { type, value }] of [...fields.entries()].reverse()) {
            const place = view.place(`f${i}`);
            assert.deepEqual(view[type](place), value);
          }
          assert.deepEqual(view.values(), [row.list, row.whole]);
        }
      }
    }),
    { numRuns: 200 },
  );
});

test("numbers side by side are copied at once, and an unknown name is told", () => {
  const writer = new ByteWriter();
  writer.text("id");
  for (const value of [1, Number.NaN, 3]) writer.f64(value);
  const number = (name: string): HeadField => ({ name, type: "number" });
  const head = [{ name: "id", type: "text" } as const, ...["a", "b", "c"].map(number)];
  const view = new PayloadView({ head, rest: { fields: [] } });
  view.open(new ByteReader(writer.take()));
  const target = new Float64Array(4);
  view.numbers(view.place("a"), 3, target, 1);
  assert.deepEqual([...target], [0, 1, Number.NaN, 3]);
  assert.throws(() => view.place("d"), RangeError);
});
