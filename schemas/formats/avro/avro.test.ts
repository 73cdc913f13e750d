import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import avsc from "avsc";
import fc from "fast-check";
import { ByteWriter } from "../../bytes.ts";
import { packageRoot } from "../../package-root.ts";
import { AvroInput, valueLimits } from "./avro-input.ts";
import { avroUnits } from "./avro-layout.ts";
import { incompatibility } from "./compatible.ts";
import { flatRead } from "./flat.ts";
import { parseAvro } from "./parse-avro.ts";
import { Resolution } from "./resolve.ts";
import { Writes } from "./write.ts";

interface Pair {
  readonly name: string;
  readonly reader: { readonly fields: readonly { readonly name: string }[] };
  readonly writer: unknown;
  readonly hex: string;
  readonly right: Readonly<Record<string, unknown>>;
}

const pairs = JSON.parse(
  readFileSync(join(packageRoot(), "schemas/formats/avro/java-resolution.json"), "utf8"),
) as readonly Pair[];

function reading<T>(bytes: Buffer, read: (input: AvroInput) => T): T {
  const input = new AvroInput();
  const around = Buffer.concat([Buffer.from([9, 9]), bytes, Buffer.from([9])]);
  input.open(around, 2, 2 + bytes.length);
  const value = read(input);
  assert.ok(input.atEnd);
  return value;
}

function readAs(writer: unknown, reader: unknown, bytes: Buffer): unknown {
  return reading(bytes, new Resolution().read(parseAvro(writer), parseAvro(reader)));
}

function written(schema: unknown, value: unknown): Buffer {
  const out = new ByteWriter(1);
  new Writes().of(parseAvro(schema))(value, out);
  return out.take();
}

for (const { name, reader, writer, hex, right } of pairs) {
  test(`read as Java reads it: ${name}`, () => {
    const bytes = Buffer.from(hex, "hex");
    assert.deepEqual(readAs(writer, reader, bytes), right);
    const wanted = new Set(reader.fields.map((field) => field.name));
    const flat = flatRead(parseAvro(writer), parseAvro(reader), wanted);
    assert.deepEqual(reading(bytes, flat), right);
  });
}

const record = (fields: readonly object[], name = "R") => ({ type: "record", name, fields });

test("every 64-bit integer is read and written exactly, as a number where that is exact", () => {
  const edges = [0n, 1n, 2n ** 31n, 2n ** 52n, 2n ** 53n, 2n ** 53n - 1n, 2n ** 63n - 1n];
  const check = (value: bigint) => {
    const number = Number(value);
    const decoded = Number.isSafeInteger(number) ? number : value;
    const bytes = written("long", decoded);
    assert.deepEqual(bytes, zigzag(value));
    assert.equal(readAs("long", "long", bytes), decoded);
    assert.equal(readAs("long", "double", bytes), number);
  };
  for (const edge of edges)
    for (const near of [-2n, -1n, 0n, 1n]) {
      if (edge + near < 2n ** 63n) check(edge + near);
      check(-edge + near < -(2n ** 63n) ? -edge : -edge + near);
    }
  fc.assert(fc.property(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), check), { numRuns: 2_000 });
  assert.throws(() => written("long", 2n ** 63n));
  assert.throws(() => written("long", 2 ** 53));
});

/** The specification's own words: zigzag, then seven bits a byte, lowest first. */
function zigzag(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, value >= 0n ? value * 2n : -value * 2n - 1n);
  const bytes: number[] = [];
  for (; rest >= 128n; rest /= 128n) bytes.push(Number(rest % 128n) + 128);
  return Buffer.from([...bytes, Number(rest)]);
}

test("whatever avsc writes is read as avsc reads it, and written as avsc writes it", () => {
  const schema = {
    type: "record",
    name: "All",
    namespace: "a.b",
    fields: [
      { name: "i", type: "int" },
      { name: "d", type: "double" },
      { name: "f", type: "float" },
      { name: "b", type: "boolean" },
      { name: "s", type: "string" },
      { name: "raw", type: "bytes" },
      { name: "e", type: { type: "enum", name: "E", symbols: ["A", "B"] } },
      { name: "x", type: { type: "fixed", name: "X", size: 3 } },
      { name: "n", type: ["null", "string"] },
      { name: "list", type: { type: "array", items: "double" } },
      { name: "map", type: { type: "map", values: ["null", "int"] } },
      { name: "inner", type: record([{ name: "l", type: "long" }], "Inner") },
      { name: "again", type: ["null", "a.b.Inner"] },
    ],
  };
  const type = avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: "never" });
  const long = fc.maxSafeInteger().filter((value) => Math.abs(value) < 2 ** 51);
  const plain = { noNullPrototype: true };
  const inner = fc.record({ l: long }, plain);
  const values = fc.record(
    {
      i: fc.integer(),
      d: fc.double({ noNaN: true }),
      f: fc.float({ noNaN: true }),
      b: fc.boolean(),
      s: fc.string({ unit: "grapheme", maxLength: 50 }),
      raw: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      e: fc.constantFrom("A", "B"),
      x: fc.uint8Array({ minLength: 3, maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
      n: fc.option(fc.string()),
      list: fc.array(fc.double({ noNaN: true })),
      map: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.option(fc.integer()), plain),
      inner,
      again: fc.option(inner),
    },
    plain,
  );
  fc.assert(
    fc.property(values, (value) => {
      const bytes = type.toBuffer(value);
      assert.deepEqual(written(schema, value), bytes);
      assert.deepEqual(readAs(schema, schema, bytes), value);
      const wanted = new Set(["s", "inner.l", "again.l", "list"]);
      const flat = reading(bytes, flatRead(parseAvro(schema), parseAvro(schema), wanted));
      const right = {
        s: value.s,
        "inner.l": value.inner.l,
        "again.l": value.again?.l ?? null,
        list: value.list,
      };
      assert.deepEqual(flat, right);
    }),
  );
});

test("types are widened, and matched by aliases, defaults and branches, as Avro 1.12 has it", () => {
  assert.equal(readAs("int", "float", written("int", 2 ** 24 + 1)), 2 ** 24);
  assert.equal(readAs("float", "double", written("float", 0.5)), 0.5);
  assert.equal(readAs("string", "bytes", written("string", "é"))?.toString(), "é");
  assert.equal(readAs("bytes", "string", written("bytes", Buffer.from("é"))), "é");
  assert.equal(readAs("int", ["null", "string", "long"], written("int", 3)), 3);
  assert.equal(readAs(["string", "int"], "long", written(["string", "int"], 3)), 3);
  assert.throws(() => readAs(["string", "int"], "long", written(["string", "int"], "x")), /string/);
  const enumOf = (symbols: string[], more: object = {}) => ({
    type: "enum",
    name: "shop.Channel",
    symbols,
    ...more,
  });
  const app = written(enumOf(["WEB", "APP"]), "APP");
  assert.equal(readAs(enumOf(["WEB", "APP"]), enumOf(["WEB"], { default: "WEB" }), app), "WEB");
  assert.throws(() => readAs(enumOf(["WEB", "APP"]), enumOf(["WEB"]), app), /no symbol "APP"/);
  const renamed = { ...enumOf(["APP"]), name: "acme.Way", aliases: ["shop.Channel"] };
  assert.equal(readAs(enumOf(["WEB", "APP"]), renamed, app), "APP");
  const other = { ...enumOf(["APP"]), name: "acme.Way" };
  assert.throws(() => readAs(enumOf(["WEB", "APP"]), other, app), /cannot be read/);
  const old = record([{ name: "amt", type: "int" }]);
  const now = record([
    { name: "amount", type: "double", aliases: ["amt"] },
    { name: "note", type: ["string", "null"], default: null },
    { name: "tags", type: { type: "array", items: "string" }, default: ["a"] },
  ]);
  const right = { amount: 5, note: null, tags: ["a"] };
  assert.deepEqual(readAs(old, now, written(old, { amt: 5 })), right);
  const added = record([...now.fields, { name: "shop", type: "string" }]);
  assert.throws(() => readAs(old, added, written(old, { amt: 5 })), /"shop".*no default/);
});

test("a union of records takes the one of the name, or else the one whose fields fit", () => {
  const a = record([{ name: "a", type: "int" }], "x.A");
  const b = record([{ name: "b", type: "string" }], "x.B");
  const bytes = written([a, b], { b: "q" });
  assert.deepEqual(readAs([a, b], ["null", b], bytes), { b: "q" });
  assert.deepEqual(readAs([a, b], [a, { ...b, name: "y.Other" }], bytes), { b: "q" });
});

test("names of Object's own are fields like others", () => {
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const schema = record(names.map((name) => ({ name, type: "int" })));
  const value = Object.fromEntries(names.map((name, i) => [name, i]));
  const bytes = Buffer.from([0, 2, 4, 6]);
  assert.deepEqual(written(schema, value), bytes);
  assert.deepEqual(Object.entries(readAs(schema, schema, bytes) as object), Object.entries(value));
});

test("logical types are read in one unit, whatever the writer's", () => {
  const of = (type: string, logicalType: string, more: object = {}) => ({
    type,
    logicalType,
    ...more,
  });
  const millis = of("long", "timestamp-millis");
  const micros = of("long", "timestamp-micros");
  const nanos = of("long", "local-timestamp-nanos");
  const instant = 978_350_400_123;
  assert.equal(readAs(micros, millis, written("long", instant * 1_000 + 999)), instant);
  assert.equal(readAs(nanos, millis, written("long", BigInt(instant) * 1_000_000n + 9n)), instant);
  assert.equal(readAs(micros, micros, written("long", -1)), -1);
  assert.equal(readAs("long", micros, written("long", instant * 1_000)), instant);
  assert.equal(readAs(micros, "long", written("long", instant * 1_000)), instant * 1_000);
  assert.equal(readAs(of("int", "date"), of("int", "date"), written("int", 2)), 172_800_000);
  const money = of("bytes", "decimal", { precision: 9, scale: 2 });
  const wide = of("bytes", "decimal", { precision: 12, scale: 4 });
  assert.equal(readAs(money, wide, written("bytes", Buffer.from([0xfb, 0x2e]))), -12.34);
  const id = "123e4567-e89b-42d3-a456-426614174000";
  const uuid = of("fixed", "uuid", { name: "Id", size: 16 });
  for (const [schema, value] of [
    [micros, instant],
    [nanos, instant],
    [of("int", "date"), 172_800_000],
    [money, 12.5],
    [money, -0.01],
    [money, 1e6],
    [{ ...money, type: "fixed", name: "F", size: 9 }, -12.34],
    [uuid, id],
    [of("string", "uuid"), id],
  ] as const) {
    assert.equal(readAs(schema, schema, written(schema, value)), value);
  }
  assert.throws(() => written(money, 0.001));
});

test("logical types have units, wherever they stand; what is in ms has none", () => {
  const of = (type: string, logicalType: string, more: object = {}) => ({
    ...{ type, logicalType },
    ...more,
  });
  const inner = record([{ name: "day", type: of("int", "date") }], "Inner");
  const schema = record([
    { name: "at", type: of("long", "timestamp-millis") },
    { name: "paid", type: ["null", of("long", "timestamp-micros")] },
    {
      name: "amounts",
      type: { type: "array", items: of("bytes", "decimal", { scale: 2, precision: 9 }) },
    },
    { name: "inner", type: inner },
    { name: "count", type: "long" },
  ]);
  assert.deepEqual(Object.fromEntries(avroUnits(parseAvro(schema))), {
    paid: "1/1000 ms",
    amounts: "decimal with 2 places",
    "inner.day": "days",
  });
});

test("a schema that explodes is passed over in no time, and read within a limit", () => {
  let type: unknown = record([], "T0");
  for (let i = 1; i <= 60; i++) {
    const fields = [
      { name: "a", type },
      { name: "b", type: `T${i - 1}` },
    ];
    type = record(fields, `T${i}`);
  }
  const schema = record([
    { name: "x", type },
    { name: "many", type: { type: "array", items: "T40" } },
    { name: "id", type: "int" },
  ]);
  const bytes = Buffer.from([...zigzag(100_000n), 0, 14]);
  const reader = record([{ name: "id", type: "int" }]);
  assert.deepEqual(readAs(schema, reader, bytes), { id: 7 });
  assert.throws(() => readAs(schema, schema, bytes), new RegExp(String(valueLimits.steps)));
  const nulls = { type: "array", items: "null" };
  const block = Buffer.concat([zigzag(2n ** 40n), Buffer.from([0])]);
  assert.throws(() => readAs(nulls, nulls, block), /block/);
  const deep = { type: "record", name: "Deep", fields: [{ name: "n", type: ["null", "Deep"] }] };
  const long = Buffer.concat([Buffer.alloc(600_000, 2), Buffer.from([0])]);
  assert.throws(() => readAs(record([{ name: "d", type: deep }]), record([]), long), /deeper/);
  assert.throws(() => parseAvro(Array(60_000).fill("int")), /types/);
});

test("a schema is compatible where every value of the writer can be read", () => {
  const one = parseAvro(record([{ name: "a", type: ["null", "int"], default: null }]));
  const strict = parseAvro(record([{ name: "a", type: "int" }]));
  assert.equal(incompatibility(strict, one), null);
  assert.deepEqual(incompatibility(one, strict), {
    field: "a",
    reason: "null cannot be read as int",
  });
  assert.equal(incompatibility(one, one), null);
});

test("damaged bytes are refused, never read beyond or for long", () => {
  const schema = record([
    { name: "s", type: "string" },
    { name: "list", type: { type: "array", items: ["null", "long"] } },
    { name: "m", type: { type: "map", values: "bytes" } },
  ]);
  const read = new Resolution().read(parseAvro(schema), parseAvro(schema));
  const skip = new Resolution().skips.of(parseAvro(schema));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
      const outcomes = [read, skip].map((each) => {
        const input = new AvroInput();
        input.open(Buffer.from(noise), 0, noise.length);
        try {
          each(input);
          return input.position;
        } catch (error) {
          assert.equal((error as Error).constructor.name, "AvroValueError");
          return -1;
        }
      });
      if ((outcomes[0] as number) >= 0) assert.equal(outcomes[1], outcomes[0]);
    }),
    { numRuns: 2_000 },
  );
});
