import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../bytes.ts";
import { formatWriter, layoutOf, openFormat, unitsOf } from "../formats.ts";
import { type FieldSpecs, types } from "../types.ts";
import { json } from "./json-format.ts";

const fields = {
  id: types.integer(),
  text: types.nullable(types.text()),
  amount: types.nullable(types.decimal()),
  ok: types.nullable(types.boolean()),
  status: types.nullable(types.enumeration("paid", "declined")),
  customer: types.nullable(
    types.record({
      name: types.text(),
      address: types.nullable(types.record({ country: types.nullable(types.text()) })),
    }),
  ),
  tags: types.nullable(types.list(types.text())),
};

function read(specs: FieldSpecs, text: string | Buffer): Record<string, unknown> {
  const bytes = Buffer.isBuffer(text) ? text : Buffer.from(text);
  // Other bytes stand around a value in its batch.
  const around = Buffer.concat([Buffer.from('9"'), bytes, Buffer.from('9"}')]);
  const reader = openFormat(json(specs)).readerOf(null);
  return reader(around, 2, 2 + bytes.length);
}

function one(type: FieldSpecs[string], value: string): unknown {
  return read({ it: type }, `{"it": ${value}}`)["it"];
}

const refused = (type: FieldSpecs[string], value: string, reason: RegExp): void =>
  assert.throws(() => one(type, value), { message: reason });

test("fields are read by their paths, in any order, and null where they are missing or null", () => {
  const nothing = {
    text: null,
    amount: null,
    ok: null,
    status: null,
    "customer.name": null,
    "customer.address.country": null,
    tags: null,
  };
  assert.deepEqual(read(fields, '{"id":1}'), { id: 1, ...nothing });
  assert.deepEqual(read(fields, '\ufeff {"text":null,"id":2,"customer":null} \r\n'), {
    id: 2,
    ...nothing,
  });
  const whole =
    '{"other":{"id":[1,{"id":2}]},"tags":["a","b"],"customer":{"address":{"country":"NZ"},' +
    '"name":"Ä\\u00df\\n"},"status":"paid","ok":true,"amount":"12.50","text":"","id":3}';
  assert.deepEqual(read(fields, whole), {
    id: 3,
    text: "",
    amount: 12.5,
    ok: true,
    status: "paid",
    "customer.name": "Äß\n",
    "customer.address.country": "NZ",
    tags: ["a", "b"],
  });
});

test("the layout has each field under its path, nullable where a record around it is", () => {
  assert.deepEqual(layoutOf(json(fields)).fields.slice(4, 8), [
    { name: "status", type: "text", nullable: true },
    { name: "customer.name", type: "text", nullable: true },
    { name: "customer.address.country", type: "text", nullable: true },
    { name: "tags", type: { list: "text" }, nullable: true },
  ]);
  assert.throws(() => layoutOf(json({ "a.b": types.text() })), /no name of a field/);
  assert.throws(() => layoutOf(json({})), /without fields/);
});

test("whole numbers of 64 bits are exact, in quotes or not, and others are refused", () => {
  const { integer } = types;
  assert.equal(one(integer(), "9007199254740993"), 9007199254740993n);
  assert.equal(one(integer(), '"9007199254740993"'), 9007199254740993n);
  assert.equal(one(integer(), "-9223372036854775808"), -(2n ** 63n));
  assert.equal(one(integer(), "9007199254740991"), Number.MAX_SAFE_INTEGER);
  assert.equal(Object.is(one(integer(), "-0"), 0), true);
  assert.equal(one(integer(), "5.0"), 5);
  assert.equal(one(integer(), "12e2"), 1200);
  assert.equal(one(integer(), "1200e-2"), 12);
  refused(integer(), "9223372036854775808", /field "it": 9223372036854775808 is beyond 64 bits/);
  refused(integer(), "1.5", /field "it": 1\.5 is no whole number/);
  refused(integer(), "1e-400", /no whole number/);
  refused(integer(), "1e999999999", /no whole number/);
  refused(integer(), '"12a"', /no whole number/);
  refused(integer(), "true", /it is a boolean, not a number/);
});

test("decimals are the nearest double, as numbers or as text", () => {
  const { decimal, number } = types;
  assert.equal(one(decimal(), '"0.1"'), 0.1);
  assert.equal(one(decimal(), '"-1234567.89"'), -1234567.89);
  assert.equal(one(decimal(), "1e2"), 100);
  refused(decimal(), '"1,5"', /"1,5" is no decimal/);
  refused(decimal(), '"NaN"', /no decimal/);
  assert.equal(one(decimal(), '"+5"'), 5);
  refused(decimal(), '"+-5"', /"\+-5" is no decimal/);
  refused(number(), '"1.5"', /it is text, not a number/);
  refused(number(), "1e999", /1e999 is no number that a double can hold/);
  refused(number(), "NaN", /"NaN}" stands at byte 7, not a value/);
  refused(number(), "-Infinity", /stands at byte 8, not a digit/);
  refused(number(), "01", /not "}"/);
  refused(number(), "1.", /not a digit/);
});

test("timestamps of every unit become UTC ms, rounded towards the past", () => {
  const at = Date.UTC(2001, 0, 1, 12, 30, 15, 250);
  const { timestamp } = types;
  assert.equal(one(timestamp("ms"), String(at)), at);
  assert.equal(one(timestamp("s"), "978352215.250"), at);
  assert.equal(one(timestamp("us"), "978352215250999"), at);
  assert.equal(one(timestamp("ns"), "978352215250999999"), at);
  assert.equal(one(timestamp("ns"), '"978352215250999999"'), at);
  assert.equal(one(timestamp("us"), "-1"), -1);
  assert.equal(one(timestamp("iso"), '"2001-01-01T12:30:15.250Z"'), at);
  assert.equal(one(timestamp("iso"), '"2001-01-01 14:30:15.2509+02:00"'), at);
  assert.equal(one(timestamp("iso"), '"2001-01-01T12:30Z"'), at - 15_250);
  assert.equal(one(timestamp("iso"), '"2000-02-29T00:00:00-0100"'), Date.UTC(2000, 1, 29, 1));
  refused(timestamp("iso"), '"2001-01-01T12:30:15"', /does not say its offset from UTC/);
  refused(timestamp("iso"), '"2001-02-29T00:00:00Z"', /no date and time that there is/);
  refused(timestamp("iso"), '"2001-01-01T24:00:00Z"', /no date and time that there is/);
  refused(timestamp("iso"), '"yesterday"', /no date and time by ISO 8601/);
  refused(timestamp("iso"), "978352215250", /it is a number, not text/);
  refused(timestamp("ms"), '"soon"', /soon is no timestamp, a number in ms/);
});

test("what is missing, null, twice there or of another type is named", () => {
  assert.throws(() => read(fields, "{}"), /field "id" is missing/);
  assert.throws(() => read(fields, '{"id":null}'), /field "id" is null/);
  assert.throws(() => read(fields, '{"id":1,"id":2}'), /field "id" stands there twice/);
  assert.throws(() => read(fields, '{"id":1,"\\u0069d":2}'), /field "id" stands there twice/);
  assert.throws(() => read(fields, '{"id":1,"customer":{}}'), /field "customer\.name" is missing/);
  assert.throws(() => read(fields, '{"id":1,"customer":[]}'), /"customer" is an array, not an obj/);
  assert.throws(() => read(fields, '{"id":1,"status":"lost"}'), /"lost" is none of its texts/);
  assert.throws(() => read(fields, '{"id":1,"text":5}'), /field "text": it is a number, not text/);
  assert.throws(() => read(fields, '{"id":1,"tags":["a",null]}'), /it is null, not text/);
  assert.throws(() => read(fields, "[]"), /it is an array, not an object/);
  assert.throws(() => read(fields, ""), /it is no JSON: it ends at byte 0, where a value /);
});

test("what is no JSON is told as that, with the place, and not as the type that it begins like", () => {
  const wanted: [text: string, reason: string][] = [
    ["not json", '"not json" stands at byte 0, not a value'],
    ["12,5", '",5" stands at byte 2, not its end'],
    ["nul", '"nul" stands at byte 0, not a value'],
    ["nullx", '"nullx" stands at byte 0, not a value'],
    ["-", "it ends at byte 1, where a digit should stand"],
    ["tru", '"tru" stands at byte 0, not a value'],
    ['"open', "it ends at byte 5, within a text"],
    ["[1 2]", '"2]" stands at byte 3, not "]"'],
    ['{"id":1} trailing text', '"trailing tex" stands at byte 9, behind its end'],
    ['{"id":1,"x":-}', '"}" stands at byte 13, not a digit'],
    ['{"id":1,"x":trap}', '"trap}" stands at byte 12, not a value'],
    ['{"id":1,"x":truest}', '"truest}" stands at byte 12, not a value'],
    ['{"id":1,"x":"a\\x"}', "a text has an unknown escape in it, at byte 14"],
    ['{"id":1,"x":"a\\u12"}', "a text has an unknown escape in it, at byte 14"],
    ['{"id":1,"x":"a\\n\u0001"}', "a text has the control character 1 in it, at byte 16"],
    ['{"id":1,"x":"a\u0001"}', "a text has the control character 1 in it, at byte 14"],
    ['{"id":1,"x":"a\\', "it ends at byte 15, within a text"],
    ['{"id":1', 'it ends at byte 7, where "}" should stand'],
  ];
  for (const [text, reason] of wanted) {
    assert.throws(() => read(fields, text), { message: `it is no JSON: ${reason}` }, text);
  }
  const all = ["text", "ok", "status", "amount", "tags", "customer", "id"];
  const broken = [
    "trap",
    "fals",
    "nul",
    "nullx",
    "-",
    "1e",
    "1.",
    "1e+",
    "-x",
    "01",
    '"open',
    '["a"',
  ];
  for (const field of all) {
    for (const value of broken) {
      const text = `{"${field}":${value}`;
      for (const whole of [text, `${text}}`, `${text}]`]) {
        assert.throws(() => read(fields, whole), /it is no JSON: .* at byte \d+/, whole);
      }
    }
  }
  // And what is JSON, of another type, is told by its type.
  const kinds = {
    true: "a boolean",
    "-1.5e3": "a number",
    "[[1]]": "an array",
    '{"a":[]}': "an ob",
  };
  for (const [value, kind] of Object.entries(kinds)) {
    assert.throws(() => read(fields, `{"text": ${value} }`), new RegExp(`text": it is ${kind}`));
    assert.throws(() => read({ it: types.list(types.text()) }, `{"it":[${value}]}`), /not text/);
  }
});

test("a reason takes no longer than the record is long", () => {
  const long = `{"id":[${"[1],".repeat(200_000)}`;
  const before = performance.now();
  for (let i = 0; i < 20; i++) assert.throws(() => read(fields, `${long}x`), /no JSON/);
  assert.ok(performance.now() - before < 20_000);
});

test("what is no JSON is refused wherever it stands, and nests to a depth alone", () => {
  const wrong = [
    '{"id":1',
    '{"id":1}}',
    '{"id":1,}',
    '{"id" 1}',
    "{id:1}",
    '{"id":1,"x":tru}',
    '{"id":1,"x":+1}',
    '{"id":1,"x":"\\x"}',
    '{"id":1,"x":"\\u12"}',
    '{"id":1,"x":"\\ud800"}',
    '{"id":1,"x":"a\u0001"}',
    '{"id":1,"x":"a',
    '{"id":1,"x":[1 2]}',
  ];
  for (const text of wrong) assert.throws(() => read(fields, text), Error, text);
  const bytes = Buffer.concat([Buffer.from('{"id":1,"x":"'), Buffer.from([0xff, 0x22, 0x7d])]);
  assert.throws(() => read(fields, bytes), /it is no UTF-8/);
  const deep = (depth: number) => `{"id":1,"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  assert.equal(read(fields, deep(255))["id"], 1);
  assert.throws(() => read(fields, deep(100_000)), /it nests deeper than 256/);
});

test("whatever JSON.stringify writes is read as JSON.parse reads it", () => {
  const text = types.nullable(types.text());
  const number = types.nullable(types.number());
  const record = fc.record({
    text: fc.option(fc.string({ unit: "grapheme" })),
    number: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
    other: fc.jsonValue(),
  });
  fc.assert(
    fc.property(record, fc.nat(3), (value, spaces) => {
      const written = JSON.stringify(value, null, spaces);
      const { other: _, ...wanted } = JSON.parse(written);
      assert.deepEqual(read({ text, number }, written), wanted);
    }),
  );
});

test("damaged bytes are refused or read, and never beyond their end", () => {
  const good = Buffer.from('{"id":12,"customer":{"name":"ab"},"tags":["x"],"amount":1.5e2}');
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, end) => {
      const damaged = Buffer.from(good.subarray(0, end));
      if (at < end) damaged[at] = byte;
      try {
        read(fields, damaged);
      } catch (error) {
        assert.ok(error instanceof Error && !(error instanceof TypeError));
      }
    }),
  );
});

test("a feeder's record is written as it is read, and one that does not fit is named", () => {
  const specs = { ...fields, at: types.timestamp("iso"), on: types.timestamp("ns") };
  const writer = formatWriter(json(specs));
  const record = {
    id: 2n ** 60n,
    customer: { name: 'a"b', address: null },
    tags: ["x"],
    at: 978352215250,
    on: 978352215250,
  };
  const bytes = new ByteWriter();
  writer.write(record, bytes);
  const back = read(specs, bytes.take());
  assert.equal(back["id"], 2n ** 60n);
  assert.equal(back["customer.name"], 'a"b');
  assert.equal(back["at"], record.at);
  assert.equal(back["on"], record.on);
  assert.throws(() => writer.write({ ...record, id: "1" }, bytes), /id is 1, not integer/);
  assert.throws(() => writer.write({ ...record, at: null }, bytes), /at is missing/);
});

test("timestamps have units, wherever they stand; what is in ms has none", () => {
  const specs = {
    at: types.timestamp("ms"),
    paid: types.nullable(types.timestamp("iso")),
    seen: types.list(types.timestamp("us")),
    order: types.record({ item: types.record({ sent: types.timestamp("s") }) }),
    amount: types.decimal(),
  };
  const units = { paid: "iso", seen: "us", "order.item.sent": "s" };
  assert.deepEqual(Object.fromEntries(unitsOf(json(specs))), units);
});

test("a time whose year has no four digits is not written as text, which nobody could read", () => {
  const writer = formatWriter(json({ at: types.timestamp("iso") }));
  for (const year of [-1, 10_000, 200_000]) {
    const at = Date.UTC(1970, 0, 1) + (year - 1970) * 365.2425 * 86_400_000;
    assert.throws(
      () => writer.write({ at: Math.round(at) }, new ByteWriter()),
      /at is .*, not in the years 0 to 9999/,
    );
  }
  const bytes = new ByteWriter();
  const last = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
  writer.write({ at: last }, bytes);
  assert.equal(read({ at: types.timestamp("iso") }, bytes.take())["at"], last);
});
