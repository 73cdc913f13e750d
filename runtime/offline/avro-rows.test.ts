import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../schemas/bytes.ts";
import { avroWriter } from "../../schemas/formats/avro/avro-format.ts";
import type { AvroType } from "../../schemas/formats/avro/avro-types.ts";
import { parseAvro } from "../../schemas/formats/avro/parse-avro.ts";
import type { AvroSchema } from "../../schemas/plan.ts";
import type { OfflineColumn } from "../../sinks/store.ts";
import { flights } from "../../topologies/flights/flights.ts";
import { avroRows, type FilledColumn, passed } from "./avro-rows.ts";
import { writerOf } from "./column-writers.ts";
import { columnType } from "./offline-table.ts";

interface Tried {
  readonly type: unknown;
  readonly column: OfflineColumn["type"];
  readonly value: fc.Arbitrary<unknown>;
}

const double = fc.double();
const text = fc.string({ unit: "binary", maxLength: 60 });
const tags = { type: "array", items: "string" };
const pairs = {
  type: "array",
  items: { type: "record", name: "P", fields: [named("t", "string"), named("n", "double")] },
};

/** What a field may be, and the column that it fills. */
const kinds: readonly Tried[] = [
  { type: "double", column: "Float64", value: double },
  { type: "double", column: "Nullable(Float64)", value: double },
  { type: ["null", "double"], column: "Nullable(Float64)", value: fc.option(double) },
  { type: "string", column: "String", value: text },
  { type: "string", column: "LowCardinality(String)", value: text },
  { type: ["null", "string"], column: "Nullable(String)", value: fc.option(text) },
  { type: ["null", "string"], column: "String", value: fc.option(text) },
  { type: "boolean", column: "UInt8", value: fc.boolean() },
  { type: ["null", "boolean"], column: "Nullable(UInt8)", value: fc.option(fc.boolean()) },
  { type: "int", column: "Int32", value: fc.integer() },
  { type: "long", column: "Int64", value: fc.maxSafeInteger() },
  { type: "long", column: "UInt64", value: fc.bigInt({ min: 2n ** 60n, max: 2n ** 63n - 1n }) },
  { type: "bytes", column: "String", value: fc.uint8Array().map((each) => Buffer.from(each)) },
  { type: tags, column: "String", value: fc.array(text, { maxLength: 3 }) },
  {
    type: pairs,
    column: "Map(LowCardinality(String), Float64)",
    value: fc.array(fc.record({ t: text, n: double }), { maxLength: 3 }),
  },
].map((each) => each as Tried);

function named(name: string, type: unknown) {
  return { name, type };
}

/** A record of some fields, of which some fill columns, the second half within a record. */
const cases = fc
  .array(fc.record({ kind: fc.constantFrom(...kinds), isColumn: fc.boolean() }), {
    ...{ minLength: 1, maxLength: 12 },
  })
  .chain((fields) => {
    // A named type stands once in a schema.
    const own = fields.filter(({ kind }, at) => {
      return kind.type !== pairs || fields.findIndex((each) => each.kind.type === pairs) === at;
    });
    const half = Math.ceil(own.length / 2);
    const outer = own.slice(0, half).map((each, at) => ({ ...each, name: `f${at}` }));
    const inner = own.slice(half).map((each, at) => ({ ...each, name: `g${at}` }));
    const avroFields = (part: typeof outer) => part.map(({ name, kind }) => named(name, kind.type));
    const within = { type: "record", name: "Within", fields: avroFields(inner) };
    const schema = {
      ...{ type: "record", name: "Whole" },
      fields: [...avroFields(outer), named("within", within)],
    } as unknown as AvroSchema;
    const values = (part: typeof outer) =>
      fc.record(Object.fromEntries(part.map(({ name, kind }) => [name, kind.value])));
    const columns: FilledColumn[] = [
      ...outer.map(({ name, ...rest }) => ({ path: [name], ...rest })),
      ...inner.map(({ name, ...rest }) => ({ path: ["within", name], ...rest })),
    ]
      .filter(({ isColumn }) => isColumn)
      .map(({ path, kind }) => ({ path, type: kind.column }));
    return fc.tuple(values(outer), values(inner)).map(([top, deep]) => {
      return { schema, columns, value: { ...top, within: deep } };
    });
  });

/** The schema as a registry gives it. */
function written(schema: AvroSchema) {
  return { type: "AVRO", schema, references: [] };
}

function encoded(schema: AvroSchema, value: object): Buffer {
  const writer = new ByteWriter(64);
  avroWriter(schema).write(value, writer);
  return Buffer.from(writer.buffer.subarray(0, writer.position));
}

function columnsOf(value: Readonly<Record<string, unknown>>, columns: readonly FilledColumn[]) {
  const writer = new ByteWriter(64);
  for (const { path, type } of columns) {
    let found: unknown = value;
    for (const name of path) found = (found as Record<string, unknown>)[name];
    writerOf(type)(writer, found);
  }
  return bytesOf(writer);
}

function bytesOf(writer: ByteWriter): Buffer {
  return writer.buffer.subarray(0, writer.position);
}

test("a record passes into its columns with the bytes that reading it first gives", () => {
  const property = fc.property(cases, ({ schema, columns, value }) => {
    const into = new ByteWriter(64);
    into.u8(77);
    const read = avroRows(schema, columns, () => into).readerOf(written(schema));
    const record = encoded(schema, value);
    assert.equal(read(record, 0, record.length), passed);
    // No column: nothing that reads records is asked.
    const plain = avroRows(schema, [{ path: ["none"], type: "String" }], () => into);
    const whole = plain.readerOf(written(schema))(record, 0, record.length);
    assert.notEqual(whole, passed);
    assert.deepEqual(bytesOf(into).subarray(1), columnsOf(whole, columns));
  });
  fc.assert(property, { numRuns: 500 });
});

test("a record that fails leaves the columns as they were", () => {
  const property = fc.property(cases, ({ schema, columns, value }) => {
    const into = new ByteWriter(64);
    into.u8(77);
    const read = avroRows(schema, columns, () => into).readerOf(written(schema));
    const record = encoded(schema, value);
    const longer = Buffer.concat([record, Buffer.of(0)]);
    assert.throws(() => read(longer, 0, longer.length), /does not end where its schema ends/);
    assert.equal(into.position, 1);
    for (let end = 0; end < record.length; end++) {
      assert.throws(() => read(record, 0, end), `of ${end} of ${record.length} bytes`);
      assert.equal(into.position, 1);
    }
  });
  fc.assert(property, { numRuns: 100 });
});

test("texts that are no UTF-8 are mended as they are read", () => {
  const schema = { type: "record", name: "Texts", fields: [named("text", "string")] };
  const of = schema as unknown as AvroSchema;
  const columns: FilledColumn[] = [{ path: ["text"], type: "String" }];
  const into = new ByteWriter(64);
  const read = avroRows(of, columns, () => into).readerOf(written(of));
  const record = Buffer.of(6, 0x41, 0xff, 0x42);
  assert.equal(read(record, 0, record.length), passed);
  assert.equal(bytesOf(into).toString("latin1", 1), Buffer.from("A\ufffdB").toString("latin1"));
});

test("what another schema wrote, and columns in another order, are read as records", () => {
  const schema = {
    ...{ type: "record", name: "Two" },
    fields: [named("a", "long"), named("b", "double")],
  } as unknown as AvroSchema;
  const into = new ByteWriter(64);
  const turned: FilledColumn[] = [
    { path: ["b"], type: "Float64" },
    { path: ["a"], type: "Int64" },
  ];
  const record = encoded(schema, { a: 1, b: 2 });
  const read = avroRows(schema, turned, () => into).readerOf(written(schema));
  assert.deepEqual(read(record, 0, record.length), { a: 1, b: 2 });
  const older = {
    ...{ type: "record", name: "Two" },
    fields: [named("b", "float"), named("a", "int")],
  } as unknown as AvroSchema;
  const columns = [...turned].reverse();
  const other = avroRows(schema, columns, () => into).readerOf(written(older));
  const bytes = encoded(older, { a: 1, b: 2 });
  assert.deepEqual({ ...other(bytes, 0, bytes.length) }, { a: 1, b: 2 });
  assert.equal(into.position, 0);
});

test("predictions and outcomes are written without a record in between", () => {
  const often = ["flights.predictions", "flights.predictions.served", "flights.outcomes"];
  const stored = flights.stored.filter(({ topic }) => often.includes(topic));
  assert.equal(stored.length, often.length);
  for (const { topic, values, table } of stored) {
    assert.ok(values.kind === "avro" && table !== null, topic);
    const columns = table.columns.map((column) => ({
      path: (column.from ?? column.name).split("."),
      type: columnType(column),
    }));
    const record = encoded(values.schema, sampleOf(parseAvro(values.schema)) as object);
    const into = new ByteWriter(64);
    const read = avroRows(values.schema, columns, () => into).readerOf(written(values.schema));
    assert.equal(read(record, 0, record.length), passed, topic);
  }
});

/** Some value of a type. */
function sampleOf(type: AvroType): unknown {
  switch (type.kind) {
    case "record":
      return Object.fromEntries(type.fields.map((field) => [field.name, sampleOf(field.type)]));
    case "union":
      return sampleOf(type.branches[0] as AvroType);
    case "array":
      return [];
    case "enum":
      return type.symbols[0];
    case "string":
      return "text";
    case "bytes":
      return Buffer.alloc(1);
    case "boolean":
      return true;
    default:
      return type.kind === "null" ? null : 1;
  }
}
