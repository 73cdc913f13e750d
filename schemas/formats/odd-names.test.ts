import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "../bytes.ts";
import type { RecordSchema } from "../record-schema.ts";
import { fieldAt } from "./field-at.ts";
import { type FormatSpec, formatWriter, openFormat } from "./formats.ts";
import { avro, decoder, json, protobuf } from "./kinds.ts";
import { types } from "./types.ts";

/** What every object has, and the record that is written has not. */
const names = ["constructor", "toString", "valueOf"];
const declared = {
  id: types.text(),
  ...Object.fromEntries(names.map((name) => [name, types.nullable(types.text())])),
};
const protoFields = names.map((name, i) => `optional string ${name} = ${i + 2};`).join(" ");
const avroFields = names.map((name) => ({ name, type: ["null", "string"], default: null }));
const avroSchema = {
  type: "record",
  name: "Odd",
  fields: [{ name: "id", type: "string" }, ...avroFields],
};

test("a record without a field has none, though every object has something by its name", () => {
  const formats: readonly [string, FormatSpec][] = [
    ["json", json(declared)],
    [
      "protobuf",
      protobuf({ message: "Odd", proto: `message Odd { optional string id = 1; ${protoFields} }` }),
    ],
    ["avro", avro(avroSchema as unknown as RecordSchema<object>)],
  ];
  for (const [name, format] of formats) {
    const bytes = new ByteWriter();
    formatWriter(format).write({ id: "a" }, bytes);
    const value = bytes.take();
    const writer = name === "avro" ? { type: "AVRO", schema: avroSchema, references: [] } : null;
    const read = openFormat(format).readerOf(writer as never)(value, 0, value.length);
    assert.deepEqual(
      { ...read },
      { id: "a", constructor: null, toString: null, valueOf: null },
      name,
    );
  }
});

test("what a decoder does not give is null", () => {
  const given = decoder({ name: "odd", version: 1, fields: declared, decode: () => ({ id: "a" }) });
  const read = openFormat(given).readerOf(null)(Buffer.alloc(0), 0, 0);
  assert.deepEqual({ ...read }, { id: "a", constructor: null, toString: null, valueOf: null });
});

test("a field by its path is the record's own, or one that its class gives", () => {
  class Given {
    get name() {
      return "a";
    }
  }
  assert.equal(fieldAt(new Given(), "name"), "a");
  assert.equal(fieldAt(new Given(), "constructor"), undefined);
  assert.equal(fieldAt({ inner: {} }, "inner.constructor"), undefined);
  assert.equal(fieldAt({ inner: { constructor: 1 } }, "inner.constructor"), 1);
});
